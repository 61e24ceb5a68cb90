package engineio

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

func TestClientClosesByPolling(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{ManualPoll: true})
		status, _ := client.Post("4before\x1e1\x1e4after")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, TransportClose, p.awaitEnd())
		_, payload := client.Poll()
		require.Equal(t, "4before\x1e6", payload)
		status, _ = client.Poll()
		require.Equal(t, http.StatusBadRequest, status)
	})
}

// TestLastPacketWaitsForAPoll: a poll can fetch the noop that answers the
// client's close packet for 100 ms, and the server's close packet for a second.
// After that the session is unknown.
func TestLastPacketWaitsForAPoll(t *testing.T) {
	for name, c := range map[string]struct {
		end      func(*siotest.Engine, *peer)
		payloads []string // of one poll after another
		wait     time.Duration
	}{
		"client": {func(c *siotest.Engine, _ *peer) { c.Post("1") }, []string{"6"}, leaveLinger},
		"server": {func(_ *siotest.Engine, p *peer) { p.Close(ForcedClose) }, []string{"4last", "1"}, closeLinger},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late %t", name, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := serve(t, siotest.Memory, nil)
					client, p := h.connect(siotest.Options{ManualPoll: true})
					if name == "server" {
						require.NoError(t, p.Send(NewText([]byte("last"))))
					}
					c.end(client, p)
					p.awaitEnd()
					wait := c.wait - time.Millisecond
					if late {
						wait = c.wait + time.Millisecond
					}
					time.Sleep(wait)
					if late {
						status, payload := client.Poll()
						require.Equal(t, http.StatusBadRequest, status)
						require.Contains(t, payload, textUnknownSID)
						return
					}
					for _, want := range c.payloads {
						status, payload := client.Poll()
						require.Equal(t, http.StatusOK, status)
						require.Equal(t, want, payload)
						time.Sleep(wait)
					}
					requireError(t, h.do("GET", "/?EIO=4&transport=polling&sid="+p.ID(), ""), http.StatusBadRequest, codeUnknownSID)
				})
			})
		}
	}
}

// TestPollAfterARefusedPost: a session that ended by a malformed POST is
// unknown at once. Only a poll that was waiting gets a close packet.
func TestPollAfterARefusedPost(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{ManualPoll: true})
		status, _ := client.Post("9")
		require.Equal(t, http.StatusBadRequest, status)
		p.awaitEnd()

		status, payload := client.Poll()

		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, payload, textUnknownSID)
	})
}

// TestLastMessagesComeBeforeTheClosePacket: the official client acts upon a
// close packet before it has handled the messages in the same payload, and
// loses them. So these messages are sent in an earlier payload, also to a poll
// that is waiting.
func TestLastMessagesComeBeforeTheClosePacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{ManualPoll: true})
		answer := make(chan string)
		go func() {
			_, payload := client.Poll()
			answer <- payload
		}()
		synctest.Wait()
		var b Batch
		require.NoError(t, p.Queue(NewText([]byte("last")), Delivery{}, &b))
		p.Close(ForcedClose)
		b.Flush()
		require.Equal(t, "4last", <-answer)
		time.Sleep(closeLinger - time.Millisecond)
		_, payload := client.Poll()
		require.Equal(t, "1", payload)
		requireError(t, h.do("GET", "/?EIO=4&transport=polling&sid="+p.ID(), ""), http.StatusBadRequest, codeUnknownSID)
	})
}

// TestLastPacketThatNoPollFetches: if no poll fetches the last packet, the
// session is removed after closeLinger.
func TestLastPacketThatNoPollFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{ManualPoll: true})
		require.NoError(t, p.Send(NewText([]byte("last"))))
		p.Close(ForcedClose)
		_, payload := client.Poll()
		require.Equal(t, "4last", payload)
		time.Sleep(closeLinger + time.Millisecond)
		status, _ := client.Poll()
		require.Equal(t, http.StatusBadRequest, status)
		require.NoError(t, h.Shutdown(t.Context()))
	})
}

func TestServerClosesAPollingClient(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{})
		require.NoError(t, p.Send(NewText([]byte("last"))))
		p.Close(ServerShutdown)
		require.Equal(t, "last", client.Next().Text)
		require.Equal(t, siotest.ReasonClosePacket, client.AwaitClosed())
		require.ErrorIs(t, p.Send(NewText([]byte("late"))), ErrClosed)
		require.Equal(t, ServerShutdown, p.awaitEnd())
	})
}

// TestEngineCloseAfterARefusedPost: after a POST has ended the session, the
// poll of the client is answered a moment later. Close answers it at once.
func TestEngineCloseAfterARefusedPost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{ManualPoll: true})
		status := make(chan int, 1)
		go func() {
			code, _ := client.Poll()
			status <- code
		}()
		synctest.Wait()
		a := h.do("POST", "/?EIO=4&transport=polling&sid="+p.ID(), "9")
		require.Equal(t, http.StatusBadRequest, a.status)
		require.Empty(t, status)
		begun := time.Now()

		h.Close()

		require.Equal(t, http.StatusBadRequest, <-status)
		require.Zero(t, time.Since(begun))
	})
}

// A client whose session ends while its WebSocket is accepted gets the open
// packet before the end. Without it, socket.io-client would wait for 20 seconds.
func TestSessionThatEndsDuringItsWebSocketHandshake(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		var h *host
		h = serve(t, n, func(o *Options) {
			o.Subprotocol = func(*http.Request, []string) string { // between Options.Open and the WebSocket
				h.next().Close(ForcedClose)
				return ""
			}
		})
		header := http.Header{"Sec-WebSocket-Protocol": {"chat"}}
		client := siotest.Open(t, h.site, siotest.Options{Path: "/", Transport: "websocket", Header: header}) // fails without an open packet
		require.Equal(t, siotest.ReasonCloseFrame, client.AwaitClosed())
	})
}
