package engineio

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestLinkStates ends a link in each possible way, and checks its states. A
// step is an action of one side, and the states after it.
func TestLinkStates(t *testing.T) {
	type step struct {
		do      func(t *testing.T, conn net.Conn, p *peer)
		state   linkState
		reading readState
		lingers bool // the states change after closeLinger
	}
	serverCloses := func(_ *testing.T, _ net.Conn, p *peer) { p.Close(ForcedClose) }
	clientReads := func(_ *testing.T, conn net.Conn, _ *peer) { go func() { _, _ = io.Copy(io.Discard, conn) }() }
	clientSends := func(frame []byte) func(*testing.T, net.Conn, *peer) {
		return func(t *testing.T, conn net.Conn, _ *peer) {
			_, err := conn.Write(frame)
			require.NoError(t, err)
		}
	}
	clientDisconnects := func(t *testing.T, conn net.Conn, _ *peer) { require.NoError(t, conn.Close()) }
	sendMuch := func(t *testing.T, _ net.Conn, p *peer) {
		require.NoError(t, p.Send(NewText(make([]byte, p.host.opts.MaxQueue/2))))
		p.host.await(p, func() bool { return p.link.writing })
	}
	closeFrame, badFrame := frame(ws.OpClose, true, ""), []byte{0xf1, 0x80, 0, 0, 0, 0}
	for name, steps := range map[string][]step{
		"the server closes, and the client answers": {
			{serverCloses, linkDraining, readMessages, false},
			{clientSends(closeFrame), linkDead, readEnded, false},
		},
		"the server closes, and the client does nothing": {
			{serverCloses, linkDraining, readMessages, false},
			{clientReads, linkDead, readEnded, true},
		},
		"the server closes while the client does not read": {
			{sendMuch, linkOpen, readMessages, false},
			{serverCloses, linkClosing, readMessages, false},
			{clientReads, linkDead, readEnded, true},
		},
		"the client closes":                {{clientSends(closeFrame), linkDead, readEnded, false}},
		"the client violates the protocol": {{clientSends(badFrame), linkDraining, readNothing, false}, {clientDisconnects, linkDead, readEnded, false}},
		"the client sends a close packet": {
			{clientSends(text("1")), linkDraining, readNothing, false},
			{clientSends(text("4ignored")), linkDraining, readNothing, false},
			{clientReads, linkDead, readEnded, true},
		},
		"the client disconnects": {{clientDisconnects, linkDead, readEnded, false}},
		"the client disconnects while it does not read": {
			{sendMuch, linkOpen, readMessages, false},
			{clientDisconnects, linkDead, readEnded, false},
		},
		"the link is killed": {{func(_ *testing.T, _ net.Conn, p *peer) { p.link.kill() }, linkDead, readEnded, false}},
		"too much is queued": {{func(t *testing.T, _ net.Conn, p *peer) {
			require.ErrorIs(t, p.Send(NewText(make([]byte, p.host.opts.MaxQueue))), ErrQueueFull)
		}, linkDead, readEnded, false}},
	} {
		run := func(t *testing.T, n siotest.Network, check func(h *host, l *link, s step)) {
			h := serve(t, n, func(o *Options) { o.MaxQueue = 16 << 20 }) // more than the socket buffers hold
			h.message = func(_ *peer, data []byte, _ bool) error {
				t.Errorf("message %q", data)
				return nil
			}
			conn, p := h.rawWebSocket(t)
			require.Equal(t, linkOpen, p.link.state.get())
			for _, s := range steps {
				s.do(t, conn, p)
				check(h, p.link, s)
			}
			h.await(p, func() bool { return p.link.state.get() == linkDead && p.link.reading == readEnded })
			waitUntil(t, func() bool { _, links := h.counts(); return links == 0 })
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				run(t, siotest.Memory, func(h *host, l *link, s step) {
					if s.lingers {
						synctest.Wait()
						require.NotEqual(t, s.state, l.state.get())
						time.Sleep(closeLinger)
					}
					synctest.Wait()
					l.session.mu.Lock()
					defer l.session.mu.Unlock()
					require.Equal(t, s.state, l.state.get())
					require.Equal(t, s.reading, l.reading)
				})
			})
		})
		t.Run(name+", in real time", func(t *testing.T) {
			t.Parallel()
			siotest.Each(t, func(t *testing.T, n siotest.Network) {
				run(t, n, func(*host, *link, step) {})
			})
		})
	}
}

// TestNothingIsHandledAfterKill: of two messages in one write, the second is
// not handled if the first one has killed the link.
func TestNothingIsHandledAfterKill(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		handled := make(chan string, 2)
		h.message = func(p *peer, data []byte, _ bool) error {
			p.link.kill()
			handled <- string(data)
			return nil
		}
		conn, p := h.rawWebSocket(t)
		_, err := conn.Write(join(text("4first"), text("4second")))
		require.NoError(t, err)
		p.awaitEnd()
		waitUntil(t, func() bool { _, links := h.counts(); return links == 0 })
		require.Equal(t, "first", <-handled)
		require.Empty(t, handled)
	})
}
