package engineio

import (
	"bytes"
	"context"
	"io"
	"math/bits"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// Shutdown tells every client, returns when all have gone, and lets nobody in.
func TestShutdown(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		var clients []*siotest.Engine
		for i := range 30 {
			client, _ := h.connect(siotest.Options{Transport: []string{"polling", "websocket", "upgrade"}[i%3]})
			clients = append(clients, client)
		}
		pending, _ := h.connect(siotest.Options{})
		pending.Probe()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		require.NoError(t, h.Shutdown(ctx))
		for _, p := range h.peers {
			require.False(t, p.live(), "Shutdown returned before the handler knew")
			require.Equal(t, ServerShutdown, p.ended())
		}
		for i, client := range clients {
			want := siotest.ReasonCloseFrame
			if i%3 == 0 {
				want = siotest.ReasonClosePacket
			}
			require.Equal(t, want, client.AwaitClosed())
		}
		for _, transport := range []string{"polling", "websocket"} {
			a := h.do("GET", "/?EIO=4&transport="+transport, "", upgradeHeaders...)
			requireError(t, a, http.StatusServiceUnavailable, codeForbidden)
		}
		require.NoError(t, h.Shutdown(ctx), "again")
	})
}

// A session that ends by itself meanwhile has gone when its handler knows,
// though its client went before that.
func TestShutdownWaitsForHandlers(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, nil)
		goOn := make(chan struct{})
		h.closed = func() { <-goOn }
		client, p := h.connect(siotest.Options{Transport: transport})
		synctest.Wait()
		go p.Close(ForcedClose)
		synctest.Wait()
		client.Drop()
		done := make(chan error, 1)
		go func() { done <- h.Shutdown(t.Context()) }()
		time.Sleep(2 * closeLinger)
		require.Empty(t, done)
		close(goOn)
		require.NoError(t, <-done)
	})
}

func TestShutdownOfAnIdleEngine(t *testing.T) {
	h := newHost(t, nil)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // it must not be a matter of luck
		require.NoError(t, h.Shutdown(over))
	}
	h.Close()
}

// A client that does not take its leave holds Shutdown up no longer than its
// context says, and not at all once its time is over.
func TestShutdownWithAClientThatDoesNotRead(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serve(t, siotest.Memory, nil)
				client, p := h.connect(siotest.Options{Transport: transport, ReadBuffer: 1 << 10})
				synctest.Wait()
				client.Pause()
				require.NoError(t, p.Send(NewText(make([]byte, 1<<19))))
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				begun := time.Now()
				require.ErrorIs(t, h.Shutdown(ctx), context.DeadlineExceeded)
				require.Equal(t, 100*time.Millisecond, time.Since(begun))
				require.Equal(t, ServerShutdown, p.ended())
				require.NoError(t, h.Shutdown(t.Context()))
				require.LessOrEqual(t, time.Since(begun), h.opts.PingTimeout)
			})
		})
	}
}

// Close waits for nobody.
func TestCloseOfTheEngine(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		for i := range 12 {
			client, p := h.connect(siotest.Options{Transport: []string{"polling", "websocket", "upgrade"}[i%3], ReadBuffer: 1 << 10})
			if i < 6 {
				client.Pause()
				require.NoError(t, p.Send(NewText(make([]byte, 1<<19))))
			}
		}
		h.Close()
		for _, p := range h.peers {
			require.Equal(t, ServerShutdown, p.ended())
		}
	})
}

// A connection that is taken over while the engine is closed is not kept.
func TestCloseOfTheEngineDuringAHandshake(t *testing.T) {
	h := newHost(t, nil)
	s := h.bare(t)
	h.Close()
	ours, theirs := net.Pipe()
	l := newLink(s, ours, nil, false)
	s.mu.Lock()
	l.writing = false // nothing is to be written
	s.mu.Unlock()
	h.addLink(l)
	_, err := theirs.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	l.read(nil)
	_, links := h.counts()
	require.Zero(t, links)
}

// Sessions open, upgrade, talk and end while the engine is closed. Handshakes
// that come later, and there may be very many, open nothing.
func TestShutdownDuringTraffic(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		t.Parallel() // Shutdown waits a second for those that will not poll again
		h := serve(t, n, nil)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					transport := []string{"polling", "websocket", "upgrade"}[i%3]
					client, err := siotest.TryOpen(t.Context(), h.site, siotest.Options{Path: "/", Transport: transport})
					if err != nil {
						continue
					}
					client.Send("x")
					client.Drop()
				}
			})
		}
		for range 50 {
			h.next()
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		require.NoError(t, h.Shutdown(ctx))
		close(stop)
		wg.Wait()
		sessions, _ := h.counts()
		require.Zero(t, sessions)
	})
}

// However sessions end, nothing of them stays.
func TestChurn(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		round := func() {
			var wg sync.WaitGroup
			for i := range 60 {
				client, p := h.connect(siotest.Options{Transport: []string{"polling", "websocket", "upgrade"}[i%3]})
				echoes(t, client)
				if client.Transport() == "polling" {
					h.awaitPoll(p) // between two polls only the heartbeat would miss it
				}
				wg.Go(func() {
					switch i / 3 % 5 {
					case 0:
						client.Close()
					case 1:
						client.Drop()
					case 2:
						p.Close(ForcedClose)
						<-client.Closed()
					case 3:
						client.SendPacket("9")
						<-client.Closed()
					case 4:
						go p.Close(ForcedClose)
						client.Close()
					}
					client.Drop()
				})
				h.mu.Lock()
				h.peers = h.peers[:0]
				h.mu.Unlock()
			}
			wg.Wait()
			waitUntil(t, func() bool {
				sessions, links := h.counts()
				return sessions+links == 0
			})
		}
		round()
		before := runtime.NumGoroutine()
		for range 3 {
			round()
		}
		waitUntil(t, func() bool { return runtime.NumGoroutine() <= before+2 })
		require.Zero(t, h.heartbeats.Len())
	})
}

// A client that has been told of the end, or has brought it about, and then
// does nothing is cut off after a moment.
func TestSilenceAfterTheEnd(t *testing.T) {
	bad := []byte{0xf1, 0x80, 0, 0, 0, 0}
	for name, end := range map[string]func(conn net.Conn, p *peer){
		"our Close":                  func(_ net.Conn, p *peer) { p.Close(ForcedClose) },
		"bad frame":                  func(conn net.Conn, _ *peer) { _, _ = conn.Write(bad) },
		"close packet":               func(conn net.Conn, _ *peer) { _, _ = conn.Write(text("1")) },
		"bad frame after our Close":  func(conn net.Conn, p *peer) { p.Close(ForcedClose); _, _ = conn.Write(bad) },
		"message after a bad frame":  func(conn net.Conn, _ *peer) { _, _ = conn.Write(append(bad, text("4a")...)) },
		"half a frame, then a Close": func(conn net.Conn, p *peer) { _, _ = conn.Write(text("4abc")[:5]); p.Close(ForcedClose) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			siotest.Each(t, func(t *testing.T, n siotest.Network) {
				h := serve(t, n, nil)
				conn, p := h.rawWebSocket(t)
				go io.Copy(io.Discard, conn) // and sends nothing
				end(conn, p)
				p.ended()
				waitUntil(t, func() bool { _, links := h.counts(); return links == 0 })
			})
		})
	}
}

// On plain TCP an idle connection holds no buffer and, where there are event
// loops, no goroutine.
func TestIdleConnection(t *testing.T) {
	const connections = 500
	h := serve(t, siotest.TCP, nil)
	var conns []net.Conn
	conn, _ := h.rawWebSocket(t)
	conns = append(conns, conn)
	waitUntil(t, func() bool { return !serving() }) // the HTTP server has let go of it
	runtime.GC()
	var before, after runtime.MemStats
	others := func() int { return runtime.NumGoroutine() - goroutinesIn("(*watchSet).work") } // but event loops
	goroutines := others()
	runtime.ReadMemStats(&before)
	for range connections {
		conn, _ := h.rawWebSocket(t)
		conns = append(conns, conn)
	}
	most := int64(8 << 10)
	if h.loops == nil {
		goroutines, most = goroutines+connections, 12<<10
	}
	waitUntil(t, func() bool { return others() == goroutines })
	runtime.GC()
	runtime.GC() // twice empties the pools
	runtime.ReadMemStats(&after)
	// Both ends and the test's own reader of 4 KiB. A read buffer would be 16
	// KiB more.
	perConnection := int64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse) / connections
	t.Logf("%d bytes a connection, both ends", perConnection)
	require.Less(t, perConnection, most)
	runtime.KeepAlive(conns)
}

// serving reports whether the HTTP server is still busy with a connection.
func serving() bool {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return bytes.Contains(stacks, []byte("net/http.(*conn).serve("))
}

// A session and its link are small, and what each message needs of them stands
// on one line of the processor's cache: memory of just this size begins at a
// multiple of a line. (Where the link is smaller it has other ways of writing.)
func TestSessionsAreSmall(t *testing.T) {
	const line = 64
	if bits.UintSize < 64 {
		t.Skip("for pointers of 8 bytes")
	}
	var s Session
	var l link
	require.Equal(t, uintptr(256), unsafe.Sizeof(s))
	require.LessOrEqual(t, unsafe.Sizeof(l), uintptr(256))
	require.Zero(t, unsafe.Offsetof(s.engine)%line)
	require.Less(t, unsafe.Offsetof(s.sessionMu)+unsafe.Offsetof(s.sessionMu.queue)+unsafe.Offsetof(s.queue.queued)-unsafe.Offsetof(s.engine), uintptr(line))
	require.Less(t, unsafe.Offsetof(l.linkSessionMu)+unsafe.Offsetof(l.linkSessionMu.base64), uintptr(line))
}

// Close from everywhere at once tells the handler once.
func TestConcurrentClose(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		for i := range 30 {
			client, p := h.connect(siotest.Options{Transport: []string{"polling", "websocket", "upgrade"}[i%3]})
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { p.Close(ForcedClose) })
				wg.Go(func() { _ = p.Send(NewText([]byte("x"))) })
			}
			wg.Go(func() { client.SendPacket("9") })
			wg.Wait()
			p.ended()
		}
	})
}

// goroutinesIn counts the goroutines that have a call of a function on their
// stack.
func goroutinesIn(function string) int {
	stacks := make([]byte, 1<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte(function+"("))
}
