package engineio

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestShutdown: every client is told, Shutdown returns when all have gone, and
// no new session is opened.
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

// TestShutdownWaitsForHandlers: a session whose client has gone is counted
// until Handler.Closed has returned.
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

func TestShutdownWithoutSessions(t *testing.T) {
	h := newHost(t, nil)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // because select chooses at random
		require.NoError(t, h.Shutdown(over))
	}
	h.Close()
}

// TestShutdownWithAClientThatDoesNotRead: such a client delays Shutdown until
// its context ends, and until the time for the last write is over.
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

// TestEngineClose: Close ends every session without waiting.
func TestEngineClose(t *testing.T) {
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

// TestEngineCloseDuringAHandshake: a connection that is taken over while the
// engine is closed is closed, too.
func TestEngineCloseDuringAHandshake(t *testing.T) {
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

// TestShutdownDuringTraffic: sessions open, upgrade, send and end while the
// engine shuts down. Later handshakes, of which there may be very many, open
// nothing.
func TestShutdownDuringTraffic(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		t.Parallel() // Shutdown waits a second for clients that do not poll again
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

// TestEndedSessionsLeaveNothing ends sessions in every way and finds nothing of
// them.
func TestEndedSessionsLeaveNothing(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		round := func() {
			var wg sync.WaitGroup
			for i := range 60 {
				client, p := h.connect(siotest.Options{Transport: []string{"polling", "websocket", "upgrade"}[i%3]})
				echoes(t, client)
				if client.Transport() == "polling" {
					h.awaitPoll(p) // between two polls only a heartbeat would notice the end
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

// TestConcurrentClose closes sessions from several goroutines at once. The
// handler is told once.
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
