package engineio

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/engineio/origin"
	"github.com/mojosocket/mojo/internal/siotest"
)

// serve3 is serve with Options.AllowEIO3.
func serve3(t testing.TB, n siotest.Network, change func(*Options)) *host {
	t.Helper()
	return serve(t, n, func(o *Options) {
		o.AllowEIO3 = true
		if change != nil {
			change(o)
		}
	})
}

// target3 is the target of requests for a session of revision 3.
func target3(p *peer) string { return "/?EIO=3&transport=polling&sid=" + p.ID() }

func TestRevision3CarriesTextAndBinary(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve3(t, n, nil)
		for _, transport := range []string{"polling", "websocket", "upgrade"} {
			for _, query := range []url.Values{nil, {"b64": {"1"}}} {
				t.Run(transport+query.Encode(), func(t *testing.T) {
					client, p := h.connect(siotest.Options{Transport: transport, EIO3: true, Query: query})
					require.Equal(t, codec.Revision3, p.Revision())
					for _, size := range []int{0, 1, 124, 125, 126, 65535, 65536, 500_000} {
						client.Send(strings.Repeat("a", size))
						require.Len(t, client.Next().Text, size)
						client.SendBinary(bytes.Repeat([]byte{7}, size))
						got := client.Next()
						require.True(t, got.Binary)
						require.Equal(t, bytes.Repeat([]byte{7}, size), append([]byte{}, got.Data...))
					}
					client.SendPackets(`4["ü€😀"]`, "4b")
					want := `["ü€😀"]`
					if transport == "polling" {
						want = `["\u00fc\u20ac\ud83d\ude00"]`
					}
					require.Equal(t, want, client.Next().Text)
					require.Equal(t, "b", client.Next().Text)
					client.Close()
					require.Equal(t, TransportClose, p.awaitEnd())
				})
			}
		}
	})
}

// Clients of both revisions get the same Message.
func TestBothRevisionsShareAMessage(t *testing.T) {
	h := serve3(t, siotest.Memory, nil)
	m := NewMessage(1, func(dst []byte) []byte { return append(dst, `["ü"]`...) }, [][]byte{{1, 2}})
	for _, eio3 := range []bool{false, true, false, true} {
		for _, transport := range []string{"polling", "websocket", "upgrade"} {
			client, p := h.connect(siotest.Options{Transport: transport, EIO3: eio3})
			require.NoError(t, p.Send(m))
			require.Contains(t, []string{`["ü"]`, `["\u00fc"]`}, client.Next().Text)
			require.Equal(t, []byte{1, 2}, client.Next().Data)
		}
	}
}

// Without Options.AllowEIO3 a client of revision 3 is refused, and the log names
// the option, once.
func TestRevision3IsOffByDefault(t *testing.T) {
	var log bytes.Buffer
	h := serve(t, siotest.Memory, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for range 3 {
		requireError(t, h.do("GET", "/?EIO=3&transport=polling", ""), http.StatusBadRequest, codeProtocol)
		requireError(t, h.do("GET", "/?EIO=3&transport=websocket", "", upgradeHeaders...), http.StatusBadRequest, codeProtocol)
	}
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
	require.Contains(t, log.String(), "Options.AllowEIO3")
	require.Empty(t, h.opened)
}

// Each request of a session names the revision of its handshake.
func TestRevisionOfASessionStays(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve3(t, n, nil)
		for _, eio3 := range []bool{false, true} {
			client, p := h.connect(siotest.Options{EIO3: eio3})
			for _, eio := range []string{map[bool]string{false: "3", true: "4"}[eio3], "2", "5", "", "3&EIO=4"} {
				target := "/?EIO=" + eio + "&sid=" + p.ID() + "&transport="
				requireError(t, h.do("GET", target+"polling", ""), http.StatusBadRequest, codeProtocol)
				requireError(t, h.do("POST", target+"polling", "1:6"), http.StatusBadRequest, codeProtocol)
				requireError(t, h.do("GET", target+"websocket", "", upgradeHeaders...), http.StatusBadRequest, codeProtocol)
			}
			requireEcho(t, client)
		}
		for _, eio := range []string{"2", "5", "", "3&EIO=4", "3.0"} {
			requireError(t, h.do("GET", "/?transport=polling&EIO="+eio, ""), http.StatusBadRequest, codeProtocol)
		}
	})
}

func TestJSONPIsRefused(t *testing.T) {
	h := serve3(t, siotest.Memory, nil)
	requireError(t, h.do("GET", "/?EIO=3&transport=polling&j=0", ""), http.StatusBadRequest, codeTransport)
	client, p := h.connect(siotest.Options{EIO3: true})
	requireError(t, h.do("POST", target3(p)+"&j=0", "d=1%3A6", "Content-Type", "application/x-www-form-urlencoded"), http.StatusBadRequest, codeTransport)
	requireEcho(t, client)
	client4, _ := h.connect(siotest.Options{Query: url.Values{"j": {"0"}}}) // a parameter of the page
	requireEcho(t, client4)
}

// Clients of revision 3 send credentials by default. Then the asterisk would
// hide the answer from the page.
func TestOriginsOfRevision3(t *testing.T) {
	const site = "https://app.example.org"
	h := serve3(t, siotest.Memory, func(o *Options) { o.Origins = origin.New([]string{"*"}, nil) })
	for _, method := range []string{"GET", "OPTIONS"} {
		a := h.do(method, "/?EIO=3&transport=polling", "", "Origin", site)
		require.Equal(t, []string{site}, a.header.Values("Access-Control-Allow-Origin"))
		require.Equal(t, "true", a.header.Get("Access-Control-Allow-Credentials"))
		a = h.do(method, "/?EIO=4&transport=polling", "", "Origin", site)
		require.Equal(t, []string{"*"}, a.header.Values("Access-Control-Allow-Origin"))
		require.Empty(t, a.header.Get("Access-Control-Allow-Credentials"))
	}
	a := h.do("GET", "/?EIO=3&transport=polling", "")
	require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))

	strict := serve3(t, siotest.Memory, nil)
	a = strict.do("GET", "/?EIO=3&transport=polling", "", "Origin", site)
	requireError(t, a, http.StatusForbidden, codeForbidden)
	require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
}

// Each of these payloads ends the session, and no packet of it that is behind
// the error is handled.
func TestRevision3PayloadsThatEndTheSession(t *testing.T) {
	octets := []string{"Content-Type", octetStream}
	for name, c := range map[string]struct {
		payload string
		header  []string
	}{
		"empty":                   {"", nil},
		"empty, binary":           {"", octets},
		"revision 4":              {"4a", nil},
		"length in bytes":         {"3:4ü", nil},
		"short":                   {"2:4", nil},
		"second packet is bad":    {"1:6a:4", nil},
		"open packet":             {"1:0", nil},
		"upgrade packet":          {"1:5", nil},
		"type 7":                  {"1:7", nil},
		"base64 without its type": {"5:bAQID", nil},
		"not UTF-8":               {"2:4\xff", nil},
		"text as binary":          {"1:6", octets},
		"binary as text":          {"\x00\x01\xff6", nil},
		"short, binary":           {"\x00\x02\xff4", octets},
		"binary of type 5":        {"\x01\x02\xff\x05a", octets},
		"binary without a type":   {"\x01\x00\xff", octets},
		"text is not UTF-8":       {"\x00\x02\xff4\xfc", octets},
		"form of JSONP":           {"d=1%3A6", []string{"Content-Type", "application/x-www-form-urlencoded"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve3(t, siotest.TCP, nil)
			h.message = func(*peer, []byte, bool) error {
				t.Error("a message was handled")
				return nil
			}
			client, p := h.connect(siotest.Options{EIO3: true})
			a := h.do("POST", target3(p), c.payload, c.header...)
			requireError(t, a, http.StatusBadRequest, codeBadRequest)
			require.Equal(t, ParseError, p.awaitEnd())
			client.AwaitClosed()
		})
	}
}

func TestRevision3WebSocketViolations(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"binary of type 5":        frame(ws.OpBinary, true, "\x05a"),
		"binary of type '4'":      frame(ws.OpBinary, true, "4a"),
		"binary without a type":   frame(ws.OpBinary, true, ""),
		"base64 without its type": text("bAQID"),
		"open packet":             text("0"),
		"upgrade packet":          text("5"),
		"empty":                   text(""),
	} {
		t.Run(name, func(t *testing.T) {
			h := serve3(t, siotest.Memory, nil)
			client, p := h.connect(siotest.Options{Transport: "websocket", EIO3: true})
			client.WriteRaw(bytes)
			require.Equal(t, ParseError, p.awaitEnd())
			require.Equal(t, siotest.ReasonCloseFrame, client.AwaitClosed())
		})
	}
}

// A payload of many packets takes the memory of its bytes, and no goroutine.
func TestRevision3PayloadOfManyPackets(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		binary  bool
	}{
		"text":        {strings.Repeat("1:6", 300_000) + "0:", false},
		"binary":      {strings.Repeat("\x00\x01\xff6", 250_000) + "\x00", true},
		"long length": {"9999999999:" + strings.Repeat("1", 1_000_000), false},
		"one packet":  {"999999:4" + strings.Repeat("😀", 250_000), false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, nil)
			s := h.openBare(t)
			s.revision = codec.Revision3
			payload := []byte(c.payload)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := s.receivePayload(payload, c.binary)
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, codec.ErrPacket)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
		})
	}
}

// A poll says whether it wants base64, whatever the handshake said.
func TestBase64IsForEachPoll(t *testing.T) {
	h := serve3(t, siotest.Memory, nil)
	client, p := h.connect(siotest.Options{EIO3: true, ManualPoll: true})
	for query, want := range map[string]struct{ contentType, payload string }{
		"":       {octetStream, "\x01\x04\xff\x04\x01\x02\x03"},
		"&b64=1": {textPlain, "6:b4AQID"},
	} {
		require.NoError(t, p.Send(NewBinary([]byte{1, 2, 3})))
		a := h.do("GET", target3(p)+query, "")
		require.Equal(t, want.contentType, a.header.Get("Content-Type"))
		require.Equal(t, want.payload, a.body)
	}
	require.NoError(t, p.Send(NewText([]byte("a"))))
	a := h.do("GET", target3(p), "")
	require.Equal(t, textPlain, a.header.Get("Content-Type"))
	require.Equal(t, "2:4a", a.body)
	client.Drop()
	p.Close(ForcedClose)
}

// FuzzPayload3: a payload ends the session or is handled whole, and its
// messages are in it.
func FuzzPayload3(f *testing.F) {
	f.Add([]byte("5:4ü€😀6:b4AQID1:21:3"), false)
	f.Add([]byte("1:1"), false)
	f.Add([]byte("\x00\x02\xff4a\x01\x04\xff\x04\x01\x02\x03\x00\x01\xff2"), true)
	f.Fuzz(func(t *testing.T, payload []byte, binary bool) {
		r := newReader(t, 1000)
		r.link.session.revision = codec.Revision3
		size := len(payload)
		err := r.link.session.receivePayload(bytes.Clone(payload), binary)
		if err == nil && size == 0 {
			t.Fatal("an empty payload was accepted")
		}
		require.LessOrEqual(t, len(r.got), size/3) // the smallest packet has a length, a colon and a type
	})
}
