package engineio

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// A client of revision 3 sends the pings. The engine answers each and sends
// none.
func TestPingsOfRevision3(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve3(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{Transport: transport, EIO3: true})
		begun := time.Now()
		for i := range 20 {
			client.NextPing() // a pong; siotest fails the test if a ping comes
			require.Equal(t, time.Duration(i+1)*h.opts.PingInterval, time.Since(begun))
			requireEcho(t, client)
		}
		require.True(t, p.live())
		require.Zero(t, client.Pings())
	})
}

// A client of revision 3 that falls silent ends after PingInterval and
// PingTimeout, also after an upgrade.
func TestSilentClientOfRevision3(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve3(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{Transport: transport, EIO3: true, NoPong: true})
		requireEcho(t, client)
		client.Flush()
		begun := time.Now()
		require.Equal(t, PingTimeout, p.awaitEnd())
		require.InDelta(t, h.opts.PingInterval+h.opts.PingTimeout+h.tick()/2, time.Since(begun), float64(h.tick()/2))
		client.AwaitClosed()
		time.Sleep(closeLinger + time.Second)
		sessions, links := h.counts()
		require.Zero(t, sessions+links)
	})
}

// Any packet of a client keeps its session, not only pings.
func TestAnyPacketIsLife(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve3(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{Transport: transport, EIO3: true, NoPong: true})
		for range 10 {
			time.Sleep(h.opts.PingInterval + h.opts.PingTimeout - time.Second)
			requireEcho(t, client)
		}
		require.True(t, p.live())
		client.SendPacket("3") // a pong says nothing, but shows that the client is there
		client.Flush()
		time.Sleep(h.opts.PingInterval + h.opts.PingTimeout - time.Second)
		require.True(t, p.live())
		require.Equal(t, PingTimeout, p.awaitEnd())
	})
}

// Parts of a message are life, too: a large one may take long to arrive.
func TestPartOfAMessageIsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve3(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{Transport: "websocket", EIO3: true, NoPong: true})
		for _, part := range [][]byte{frame(ws.OpText, false, "4a"), frame(ws.OpContinuation, false, "b"), frame(ws.OpContinuation, true, "c")} {
			client.WriteRaw(part)
			time.Sleep(h.opts.PingInterval + h.opts.PingTimeout - time.Second)
			require.True(t, p.live())
		}
		require.Equal(t, "abc", client.Next().Text)
	})
}

// The deadline holds where the timing wheel is too coarse: for a request.
func TestSilenceIsCheckedAtEachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve3(t, siotest.Memory, nil)
		h.heartbeats = h.newWheel(7 * time.Second)
		_, p := h.connect(siotest.Options{EIO3: true, NoPong: true})
		synctest.Wait() // the first poll has arrived
		time.Sleep(h.opts.PingInterval + h.opts.PingTimeout)
		require.True(t, p.live())
		require.Equal(t, 400, h.do("POST", target3(p), "1:2").status)
		require.Equal(t, PingTimeout, p.awaitEnd())
	})
}

// While handlers are behind, nothing is read, so the silence does not count.
func TestStallOfRevision3(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve3(t, siotest.Memory, func(o *Options) {
			o.PingInterval, o.PingTimeout, o.MaxInbound = 4*time.Second, 3*time.Second, 10
		})
		h.message = func(p *peer, data []byte, _ bool) error {
			p.Hold(len(data))
			return nil
		}
		client, p := h.connect(siotest.Options{Transport: transport, EIO3: true})
		time.Sleep(3500 * time.Millisecond)
		client.Send(strings.Repeat("a", 20))
		time.Sleep(6900 * time.Millisecond)
		require.True(t, p.live())
		p.Release(20)
		time.Sleep(30 * time.Second)
		require.True(t, p.live())
		require.NotZero(t, client.Pings())
	})
}

// A flood of pings starts no goroutine, and while the client reads nothing, one
// answer is queued.
func TestPingFloodOfRevision3(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve3(t, n, nil)
		client, p := h.connect(siotest.Options{Transport: "websocket", EIO3: true, NoPong: true})
		client.WriteRaw([]byte(strings.Repeat(string(text("2")), 10_000)))
		requireEcho(t, client)
		require.Equal(t, 1, h.heartbeats.Len())
		require.NotZero(t, client.Pings())

		p.Session.mu.Lock()
		l := p.link
		waiting := l.writing
		l.writing = true // as if a write were blocked
		p.Session.mu.Unlock()
		for range 1000 {
			p.answerPing()
		}
		p.Session.mu.Lock()
		control := len(l.control)
		l.writing = waiting
		p.Session.mu.Unlock()
		require.Equal(t, pongMessage.Size(), control)
	})
}
