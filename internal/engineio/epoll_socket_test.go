//go:build linux && !mojo_noepoll

package engineio

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestConnectionClosedByTheSite: when the site closes a net.Conn that the
// engine has taken over, the connection stays usable. If it did not, its
// descriptor could become that of another connection.
func TestConnectionClosedByTheSite(t *testing.T) {
	h := newHost(t, nil)
	var conns []net.Conn
	h.site = siotest.ServeServer(t, siotest.TCP, &http.Server{
		Handler: h,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			conns = append(conns, conn)
			return ctx
		},
	})
	client, _ := h.connect(siotest.Options{Transport: "websocket"})
	for _, conn := range conns {
		require.ErrorIs(t, conn.Close(), net.ErrClosed)
	}
	requireEcho(t, client)
}

// TestStoppedClientContinues: if a client stops reading, a goroutine writes to
// it. When the client reads again, it is served as before.
func TestStoppedClientContinues(t *testing.T) {
	h := serve(t, siotest.TCP, func(o *Options) { o.MaxQueue = 64 << 20 })
	other, _ := h.connect(siotest.Options{Transport: "websocket"})
	files := descriptors(t)
	client, p := h.connect(siotest.Options{Transport: "websocket", ReadBuffer: 1 << 10})
	for range 3 {
		client.Pause()
		const size, count = 1 << 19, 30
		for range count {
			require.NoError(t, p.Send(NewText(make([]byte, size))))
		}
		waitUntil(t, func() bool { return goroutinesIn("(*link).drain") == 1 })
		requireEcho(t, other)
		client.Resume()
		for range count {
			require.Len(t, client.Next().Text, size)
		}
		waitUntil(t, func() bool { return goroutinesIn("(*link).drain") == 0 })
		requireEcho(t, client)
	}
	client.Close()
	waitUntil(t, func() bool { _, links := h.counts(); return links == 1 && descriptors(t) <= files })
}

// TestDescriptorStaysForTheWriter: while a goroutine has the claim to write,
// the descriptor of a client that has disconnected is not closed, so that its
// number does not become that of another connection.
func TestDescriptorStaysForTheWriter(t *testing.T) {
	for name, write := range map[string]func(l *link){
		"a write that fails": func(l *link) { l.writeFailed(syscall.EPIPE) },
		"nothing to write":   func(l *link) { l.flush(nil) },
		"a message":          func(l *link) { l.flush(NewText([]byte("late"))) },
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, siotest.TCP, nil)
			conn, p := h.rawWebSocket(t)
			l := p.link
			locked := func(condition func() bool) func() bool {
				return func() bool {
					p.mu.Lock()
					defer p.mu.Unlock()
					return condition()
				}
			}
			waitUntil(t, locked(func() bool { return !l.writing }))
			p.mu.Lock()
			l.writing = true // take the claim, as a writer does
			p.mu.Unlock()
			conn.Close()
			waitUntil(t, locked(func() bool { return l.reading == readEnded }))
			require.True(t, locked(func() bool { return l.fd >= 0 })())
			_, links := h.counts()
			require.Equal(t, 1, links)

			write(l)

			require.True(t, locked(func() bool { return l.fd < 0 })())
			_, links = h.counts()
			require.Zero(t, links)
		})
	}
}

// TestDuplicate: the number of the descriptor is not 0, 1 or 2, and child
// processes do not inherit it.
func TestDuplicate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	stdin, err := syscall.Dup(0)
	require.NoError(t, err)
	require.NoError(t, syscall.Close(0))

	fd, err := duplicate(conn)

	require.NoError(t, syscall.Dup3(stdin, 0, 0))
	require.NoError(t, syscall.Close(stdin))
	require.NoError(t, err)
	require.Greater(t, fd, 2)
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
	require.Zero(t, errno)
	require.NotZero(t, flags&syscall.FD_CLOEXEC)
	require.NoError(t, syscall.Close(fd))
	_, err = duplicate(struct{ net.Conn }{conn})
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

// TestLingerOfTheSiteDoesNotBlockAnEventLoop: if a site sets a linger time,
// closing a connection waits for unread bytes. Event loops do not wait.
func TestLingerOfTheSiteDoesNotBlockAnEventLoop(t *testing.T) {
	h := newHost(t, nil)
	h.site = siotest.ServeServer(t, siotest.TCP, &http.Server{Handler: h, ConnState: func(conn net.Conn, state http.ConnState) {
		if state == http.StateNew {
			assert.NoError(t, conn.(*net.TCPConn).SetLinger(60))
		}
	}})
	conn, p := h.rawWebSocket(t)
	require.NoError(t, p.Send(NewText(make([]byte, h.opts.MaxQueue/2))))
	p.Close(ForcedClose)
	waitUntil(t, func() bool { _, links := h.counts(); return links == 0 })
	conn.Close()
}

// TestEndOfStoppedClients: if a client does not read, a goroutine is blocked in
// a write to it. The session ends in each way nevertheless, and no goroutine or
// descriptor remains.
func TestEndOfStoppedClients(t *testing.T) {
	const size = 1 << 19
	for name, c := range map[string]struct {
		reason Reason // "": any
		end    func(h *host, conn *net.TCPConn, p *peer)
	}{
		// If a write fails first, it returns the reset, and a read then returns
		// the end.
		"reset": {"", func(_ *host, conn *net.TCPConn, _ *peer) { _ = conn.SetLinger(0); _ = conn.Close() }},
		"close": {"", func(_ *host, conn *net.TCPConn, _ *peer) { _ = conn.Close() }},
		"half":  {TransportClose, func(_ *host, conn *net.TCPConn, _ *peer) { _ = conn.CloseWrite() }},
		"Close frame": {TransportClose, func(_ *host, conn *net.TCPConn, _ *peer) {
			_, _ = conn.Write(frame(ws.OpClose, true, ""))
		}},
		"Close":    {ForcedClose, func(_ *host, _ *net.TCPConn, p *peer) { p.Close(ForcedClose) }},
		"overflow": {QueueOverflow, func(h *host, _ *net.TCPConn, p *peer) { _ = p.Send(NewText(make([]byte, h.opts.MaxQueue))) }},
		"timeout":  {WriteTimeout, func(*host, *net.TCPConn, *peer) {}},
		"engine":   {ServerShutdown, func(h *host, _ *net.TCPConn, _ *peer) { h.Engine.Close() }},
		"shutdown": {ServerShutdown, func(h *host, _ *net.TCPConn, _ *peer) { assert.NoError(t, h.Shutdown(t.Context())) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, siotest.TCP, func(o *Options) {
				o.MaxQueue = 64 << 20
				if name == "timeout" { // the others must not time out on a slow machine
					o.PingTimeout = 2 * closeLinger
				}
			})
			_, _ = h.rawWebSocket(t) // so that the event loop does not end
			waitUntil(t, func() bool { return !serving() })
			files := descriptors(t)
			conn, p := h.rawWebSocket(t)
			for range 40 {
				require.NoError(t, p.Send(NewText(make([]byte, size))))
			}
			waitUntil(t, func() bool { return goroutinesIn("(*link).drain") == 1 })
			c.end(h, tcpOf(conn), p)
			if reason := p.awaitEnd(); c.reason != "" {
				require.Equal(t, c.reason, reason)
			}
			waitUntil(t, func() bool { _, links := h.counts(); return links <= 1 && goroutinesIn("(*link).drain") == 0 })
			conn.Close()
			waitUntil(t, func() bool { return descriptors(t) <= files })
		})
	}
}

// tcpOf returns the client side of a connection of rawWebSocket.
func tcpOf(conn net.Conn) *net.TCPConn {
	return conn.(bufferedConn).Conn.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn)
}
