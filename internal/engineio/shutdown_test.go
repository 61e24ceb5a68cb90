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

// TestShutdown: each client gets a close packet or a Close frame, Shutdown
// returns when all sessions have ended, and no new session is opened.
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
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		require.NoError(t, h.Shutdown(ctx))
		for _, p := range h.peers {
			require.False(t, p.live(), "Shutdown returned before Closed was called")
			require.Equal(t, ServerShutdown, p.awaitEnd())
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
		require.NoError(t, h.Shutdown(ctx), "the second call")
	})
}

// TestShutdownWaitsForHandlers: Shutdown waits until Handler.Closed has
// returned, also if the client has disconnected.
func TestShutdownWaitsForHandlers(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, nil)
		unblock := make(chan struct{})
		h.closed = func() { <-unblock }
		client, p := h.connect(siotest.Options{Transport: transport})
		synctest.Wait()
		go p.Close(ForcedClose)
		synctest.Wait()
		client.Drop()
		done := make(chan error, 1)
		go func() { done <- h.Shutdown(t.Context()) }()
		time.Sleep(2 * closeLinger)
		require.Empty(t, done)
		close(unblock)
		require.NoError(t, <-done)
	})
}

func TestShutdownWithoutSessions(t *testing.T) {
	h := newHost(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // because select chooses at random
		require.NoError(t, h.Shutdown(ctx))
	}
	h.Close()
}

// TestShutdownWithAClientThatDoesNotRead: such a client delays Shutdown until
// its context ends, or until the deadline of the last write.
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
				require.Equal(t, ServerShutdown, p.awaitEnd())
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
			require.Equal(t, ServerShutdown, p.awaitEnd())
		}
	})
}

// TestEngineCloseDuringAHandshake: a connection that is taken over while the
// engine is closed is closed, too.
func TestEngineCloseDuringAHandshake(t *testing.T) {
	h := newHost(t, nil)
	s := h.openBare(t)
	h.Close()
	serverConn, clientConn := net.Pipe()
	l := newLink(s, serverConn, nil, false)
	s.mu.Lock()
	l.writing = false // there is nothing to write
	s.mu.Unlock()
	h.addLink(l)
	_, err := clientConn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	l.read(nil)
	_, links := h.counts()
	require.Zero(t, links)
}

// TestShutdownDuringTraffic: sessions open, upgrade, send and end while the
// engine shuts down. Later handshakes, which may be many, open no session.
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
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		require.NoError(t, h.Shutdown(ctx))
		close(stop)
		wg.Wait()
		sessions, _ := h.counts()
		require.Zero(t, sessions)
	})
}

// TestEndedSessionsLeaveNothing ends sessions in each way. After that there are
// no sessions, links, goroutines and heartbeats.
func TestEndedSessionsLeaveNothing(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		round := func() {
			var wg sync.WaitGroup
			for i := range 60 {
				client, p := h.connect(siotest.Options{Transport: []string{"polling", "websocket", "upgrade"}[i%3]})
				requireEcho(t, client)
				if client.Transport() == "polling" {
					h.awaitPoll(p) // without a poll, only a heartbeat would detect the end
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

// TestConcurrentClose closes sessions from several goroutines at the same time.
// Handler.Closed is called once.
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
			p.awaitEnd()
		}
	})
}
