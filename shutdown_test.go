package mojo

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestShutdown: what was emitted before arrives, clients come back by themselves, and later calls say so.
func TestShutdown(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		srv, ch := chatServer(t, h)
		site := siotest.Serve(t, n, srv)
		socket := dial(t, site, transport, inSession("s")).Connect(chatNamespace, nil)
		conn := await(t, h.accepted)
		require.NoError(t, ch.Emit("before"))

		shutdown(t, srv)

		require.Equal(t, ending{conn, ReasonShutdown}, await(t, h.ended), "before Shutdown has returned")
		socket.Expect("before")
		require.NotEqual(t, siotest.ReasonServerDisconnect, socket.AwaitDisconnected())
		requireEmpty(t, srv, ch)
		_, ackErr := conn.EmitWithAck(t.Context(), "x")
		for _, err := range []error{
			conn.Emit("x"), conn.EmitVolatile("x"), ackErr, ch.Emit("x"), ch.To("room").Emit("x"),
			srv.CurrentSessions().Emit("x"), srv.LoggedInSessions().Get("u").Emit("x"),
		} {
			require.ErrorIs(t, err, ErrServerClosed)
			require.EqualError(t, err, "mojo: server closed")
		}
		for _, transport := range []string{"polling", "websocket"} {
			_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport})
			var refused *siotest.HTTPError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, http.StatusServiceUnavailable, refused.Status)
		}
		shutdown(t, srv) // again
	})
}

// TestShutdownWaitsForHandlers, and no longer than its context.
func TestShutdownWaitsForHandlers(t *testing.T) {
	for _, callback := range []string{"OnConnect", "OnMessage", "OnDisconnect"} {
		t.Run(callback, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inside, goOn := make(chan struct{}, 1), make(chan struct{})
				block := func(name string) {
					if name == callback {
						inside <- struct{}{}
						<-goOn
					}
				}
				h := newApp()
				h.connect = func(*Conn) error { block("OnConnect"); return nil }
				h.message = func(*Conn, *Message) { block("OnMessage") }
				h.disconnect = func(*Conn, Reason) { block("OnDisconnect") }
				srv, _ := chatServer(t, h)
				client := dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
				client.SendConnect(chatNamespace, nil)
				if callback == "OnMessage" {
					client.Engine.Send("2" + chatNamespace + `,["event"]`)
				}
				if callback == "OnDisconnect" {
					client.Engine.Send("1" + chatNamespace + `,`)
				}
				await(t, inside)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				start := time.Now()

				err := srv.Shutdown(ctx)

				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 5*time.Second, time.Since(start))
				var stuck *ShutdownError
				require.ErrorAs(t, err, &stuck)
				what := callback
				if callback == "OnMessage" {
					what += ` "event"`
				}
				require.Len(t, stuck.Handlers, 1)
				require.True(t, strings.HasPrefix(stuck.Handlers[0], what+" on /ChatSocket, connection "), stuck.Handlers)
				require.ErrorContains(t, err, "mojo: Shutdown: context deadline exceeded with 0 connections open and 1 handlers running: "+stuck.Handlers[0])
				done := make(chan error)
				go func() { done <- srv.Shutdown(t.Context()) }()
				synctest.Wait()
				select {
				case <-done:
					require.Fail(t, "it did not wait")
				default:
				}
				close(goOn)
				require.NoError(t, <-done)
				require.Len(t, h.ended, 1)
			})
		})
	}
}

// TestShutdownDuringBroadcasts: no panic, and then every call says that the server is closed.
func TestShutdownDuringBroadcasts(t *testing.T) {
	h := newApp()
	srv, ch := chatServer(t, h)
	site := siotest.Serve(t, siotest.TCP, srv)
	for i := range 30 {
		dial(t, site, transports[i%3], inSession("s")).Connect(chatNamespace, nil)
	}
	done := make(chan error, 4)
	for range cap(done) {
		go func() {
			for {
				if err := srv.CurrentSessions().Emit("event", 1); err != nil {
					done <- err
					return
				}
			}
		}()
	}

	shutdown(t, srv)

	for range cap(done) {
		require.ErrorIs(t, await(t, done), ErrServerClosed)
	}
	require.Len(t, h.ended, 30)
	requireEmpty(t, srv, ch)
}

// TestShutdownWhileClientsLeave: it returns when every end has been told, whoever began it.
func TestShutdownWhileClientsLeave(t *testing.T) {
	for range 30 {
		h := newApp()
		srv, ch := chatServer(t, h)
		site := siotest.Serve(t, siotest.Memory, srv)
		var clients []*siotest.Client
		for i := range 6 {
			client := dial(t, site, transports[i%3])
			client.Connect(chatNamespace, nil)
			clients = append(clients, client)
		}
		go func() {
			for _, client := range clients {
				client.Engine.Drop()
			}
		}()

		shutdown(t, srv)

		require.Len(t, h.ended, len(clients))
		requireEmpty(t, srv, ch)
	}
}

// TestClose waits for nothing; handlers are told all the same.
func TestClose(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		goOn := make(chan struct{})
		h := newApp()
		h.message = func(*Conn, *Message) { <-goOn }
		srv, ch := chatServer(t, h)
		client := dial(t, siotest.Serve(t, n, srv), transport)
		socket := client.Connect(chatNamespace, nil)
		socket.Emit("block")
		socket.Barrier()

		require.NoError(t, srv.Close())

		client.Engine.AwaitClosed()
		require.ErrorIs(t, ch.Emit("x"), ErrServerClosed)
		close(goOn)
		require.Equal(t, ReasonShutdown, await(t, h.ended).reason)
		require.NoError(t, srv.Close())
	})
}

// TestServerWithoutConnections needs no Close, and can be shut down.
func TestServerWithoutConnections(t *testing.T) {
	srv, err := New(Options{})
	require.NoError(t, err)
	shutdown(t, srv)
}

// TestShutdownInBatches: clients are sent away a thousand at a time, but in half the time there is.
func TestShutdownInBatches(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{
		0:                      200 * time.Millisecond,
		100 * time.Millisecond: 50 * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			srv, _ := chatServer(t, newApp())
			site := siotest.Serve(t, siotest.Memory, srv)
			first := make(chan time.Duration, 2100)
			var start time.Time
			for range 2100 {
				c := dial(t, site, "websocket")
				go func() {
					<-c.Engine.Closed()
					first <- time.Since(start)
				}()
			}
			ctx := t.Context()
			if limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, limit)
				defer cancel()
			}
			start = time.Now()

			require.NoError(t, srv.Shutdown(ctx))

			require.InDelta(t, want, time.Since(start), float64(want)/5)
			atOnce := 0
			for range 2100 {
				if await(t, first) == 0 {
					atOnce++
				}
			}
			require.Equal(t, 1000, atOnce)
		})
	}
}
