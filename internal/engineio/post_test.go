package engineio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/siotest"
)

func TestIsText(t *testing.T) {
	for _, header := range [][]string{
		nil,
		{""},
		{";"},
		{"text/plain;charset=UTF-8"},
		{"application/json, text/plain;charset=UTF-8"},
		{"application/json", "text/plain"},
		{"application/octet-streams"},
		{"nonsense/"},
	} {
		require.True(t, isText(header), header)
	}
	for _, header := range [][]string{
		{"application/octet-stream"},
		{" APPLICATION/octet-stream ;x=y"},
		{"text/plain, application/octet-stream"},
		{"text/plain", "application/octet-stream"},
	} {
		require.False(t, isText(header), header)
	}
}

// TestPollingPayloadsThatEndTheSession: each of these payloads ends the
// session, and the poll that is waiting is answered.
func TestPollingPayloadsThatEndTheSession(t *testing.T) {
	for name, c := range map[string]struct{ payload, header string }{
		"empty":                    {payload: ""},
		"empty packet":             {payload: "4a\x1e"},
		"open packet":              {payload: "0"},
		"ping from the client":     {payload: "2"},
		"upgrade packet":           {payload: "5"},
		"type 7":                   {payload: "7"},
		"type 8":                   {payload: "8"},
		"type 9":                   {payload: "9x"},
		"type that is not ASCII":   {payload: "é"},
		"not UTF-8":                {payload: "4\xff"},
		"invalid base64":           {payload: "b***"},
		"b with invalid base64":    {payload: "b!"},
		"refused by the handler":   {payload: "4bad"},
		"binary Content-Type":      {payload: "4a", header: "application/octet-stream"},
		"Content-Type in capitals": {payload: "4a", header: "Application/Octet-Stream"},
		"binary in a list":         {payload: "4a", header: "text/plain, application/octet-stream; x=y"},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, siotest.TCP, nil)
			h.message = func(_ *peer, data []byte, _ bool) error {
				if string(data) == "bad" {
					return errors.New("bad")
				}
				return nil
			}
			client, p := h.connect(siotest.Options{})
			a := h.do("POST", "/?EIO=4&transport=polling&sid="+p.ID(), c.payload, "Content-Type", c.header)
			requireError(t, a, http.StatusBadRequest, codeBadRequest)
			require.Equal(t, ParseError, p.awaitEnd())
			// The poll of the client gets a close packet if it was waiting, or
			// is refused if it arrives later.
			if reason := client.AwaitClosed(); reason != siotest.ReasonClosePacket {
				require.ErrorContains(t, client.Err(), textUnknownSID)
			}
			requireError(t, h.do("GET", "/?EIO=4&transport=polling&sid="+p.ID(), ""), http.StatusBadRequest, codeUnknownSID)
		})
	}
}

// TestPollingPayloadOfManyPackets: a payload of 500,000 packets takes the
// memory of its bytes, and no goroutine.
func TestPollingPayloadOfManyPackets(t *testing.T) {
	h := newHost(t, nil)
	s := h.openBare(t)
	payload := []byte(strings.Repeat("6\x1e", 500_000))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := s.receivePayload(payload, false)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, codec.ErrPacket, "the last one is empty")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestPostAboveMaxPayload(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		for name, body := range map[string]io.Reader{
			"by Content-Length": strings.NewReader("4" + strings.Repeat("a", 1000)),
			"chunked":           io.MultiReader(strings.NewReader("4a\x1e4b\x1e"), strings.NewReader("4"+strings.Repeat("a", 1000))),
		} {
			t.Run(name, func(t *testing.T) {
				h := serve(t, n, func(o *Options) { o.MaxPayload = 1000 })
				h.message = func(*peer, []byte, bool) error {
					t.Error("a packet of a refused payload was handled")
					return nil
				}
				client, p := h.connect(siotest.Options{})
				res, err := h.site.Client().Post(client.URL("polling"), "text/plain", body)
				require.NoError(t, err)
				text, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				res.Body.Close()
				require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
				require.Empty(t, text, "as the official server answers")
				require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
				require.Contains(t, res.Header.Values("Vary"), "Origin")
				require.Equal(t, ParseError, p.awaitEnd())
			})
		}
		t.Run("exactly MaxPayload", func(t *testing.T) {
			h := serve(t, n, func(o *Options) { o.MaxPayload = 1000 })
			client, _ := h.connect(siotest.Options{})
			client.Send(strings.Repeat("a", 999))
			require.Len(t, client.Next().Text, 999)
		})
	})
}

// TestRefusedPostIsAnsweredBeforeThePoll: the client learns from the answer to
// its POST what was wrong. So its poll is answered later.
func TestRefusedPostIsAnsweredBeforeThePoll(t *testing.T) {
	for name, post := range map[string]struct {
		body   string
		status int
	}{
		"above MaxPayload": {"4" + strings.Repeat("a", 1000), http.StatusRequestEntityTooLarge},
		"not a packet":     {"9", http.StatusBadRequest},
		"not UTF-8":        {"4\xff", http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serve(t, siotest.Memory, func(o *Options) { o.MaxPayload = 1000 })
				client, p := h.connect(siotest.Options{ManualPoll: true})
				polled := make(chan string)
				go func() {
					_, payload := client.Poll()
					polled <- payload
				}()
				synctest.Wait()

				status, _ := client.Post(post.body)

				require.Equal(t, post.status, status)
				require.Equal(t, ParseError, p.awaitEnd())
				select {
				case <-polled:
					require.Fail(t, "the poll was answered at the same time")
				default:
				}
				require.Equal(t, "1", <-polled)
			})
		})
	}
}

// TestPostAboveMaxPayloadIsAnsweredWithoutItsBody: the POST is answered
// although no byte of its body was sent.
func TestPostAboveMaxPayloadIsAnsweredWithoutItsBody(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{})
		conn, err := h.site.Dial(t.Context())
		require.NoError(t, err)
		path := strings.TrimPrefix(client.URL("polling"), h.site.URL)
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n", path)
		require.NoError(t, err)
		all, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(all, []byte("HTTP/1.1 413 ")), "%s", all)
		require.Equal(t, 1, bytes.Count(all, []byte("HTTP/1.1")))
		require.Equal(t, ParseError, p.awaitEnd())
	})
}

func TestOverlappingPostEndsTheSession(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		handling, unblock := make(chan struct{}), make(chan struct{})
		h.message = func(*peer, []byte, bool) error {
			close(handling)
			<-unblock
			return nil
		}
		client, p := h.connect(siotest.Options{})
		client.Send("slow")
		<-handling
		defer close(unblock)
		a := h.do("POST", "/?EIO=4&transport=polling&sid="+p.ID(), "4overlapping")
		requireError(t, a, http.StatusBadRequest, codeBadRequest)
		require.Equal(t, TransportError, p.awaitEnd())
	})
}

// TestPollingBackPressure: while handlers are behind, a POST is not answered.
func TestPollingBackPressure(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, func(o *Options) { o.MaxInbound = 100 })
		handled := make(chan int, 10)
		h.message = func(p *peer, data []byte, _ bool) error {
			p.Hold(len(data))
			handled <- len(data)
			return nil
		}
		client, p := h.connect(siotest.Options{})
		big := strings.Repeat("a", 101)
		client.SendPackets("4a", "4"+big, "4last")
		require.Equal(t, 1, <-handled)
		require.Equal(t, 101, <-handled)
		h.awaitStall(p)
		require.Empty(t, handled)
		p.Release(1)
		p.Release(50)
		h.awaitStall(p) // the stall ends only at half of MaxInbound
		p.Release(1)
		require.Equal(t, 4, <-handled)
		client.Flush()
	})
}
