package lifecycle

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Events that were emitted before Shutdown arrive. The clients try to reconnect
// by themselves, and later calls return ErrServerClosed.
func TestShutdown(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		srv, ch := e2e.ChatServer(t, h)
		site := siotest.Serve(t, n, srv)
		socket := e2e.Dial(t, site, transport, e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)
		require.NoError(t, ch.Emit("before"))

		e2e.Shutdown(t, srv)

		require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonShutdown}, e2e.Await(t, h.Ended), "before Shutdown has returned")
		socket.Expect("before")
		require.NotEqual(t, siotest.ReasonServerDisconnect, socket.AwaitDisconnected())
		e2e.RequireEmptyViews(t, srv, ch)
		_, ackErr := conn.EmitWithAck(t.Context(), "x")
		for _, err := range []error{
			conn.Emit("x"), conn.Volatile().Emit("x"), ackErr, ch.Emit("x"), ch.To("room").Emit("x"),
			srv.CurrentSessions().Emit("x"), srv.LoggedInSessions().Get("u").Emit("x"),
		} {
			require.ErrorIs(t, err, mojo.ErrServerClosed)
			require.EqualError(t, err, "mojo: server closed")
		}
		for _, transport := range []string{"polling", "websocket"} {
			_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport})
			var refused *siotest.HTTPError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, http.StatusServiceUnavailable, refused.Status)
		}
		e2e.Shutdown(t, srv) // a second call
	})
}

// Shutdown waits for handlers until its context ends.
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
				h := e2e.NewApp()
				h.Connect = func(*mojo.Conn) error { block("OnConnect"); return nil }
				h.Message = func(*mojo.Conn, *mojo.Message) { block("OnMessage") }
				h.Disconnect = func(*mojo.Conn, mojo.Reason) { block("OnDisconnect") }
				srv, _ := e2e.ChatServer(t, h)
				client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
				client.SendConnect(e2e.ChatNamespace, nil)
				if callback == "OnMessage" {
					client.Engine.Send("2" + e2e.ChatNamespace + `,["event"]`)
				}
				if callback == "OnDisconnect" {
					client.Engine.Send("1" + e2e.ChatNamespace + `,`)
				}
				e2e.Await(t, inside)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				start := time.Now()

				err := srv.Shutdown(ctx)

				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 5*time.Second, time.Since(start))
				var stuck *mojo.ShutdownError
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
					require.Fail(t, "Shutdown did not wait")
				default:
				}
				close(goOn)
				require.NoError(t, <-done)
				require.Len(t, h.Ended, 1)
			})
		})
	}
}

// Broadcasts during Shutdown do not panic. Broadcasts after it return
// ErrServerClosed.
func TestShutdownDuringBroadcasts(t *testing.T) {
	h := e2e.NewApp()
	srv, ch := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.TCP, srv)
	for i := range 30 {
		e2e.Dial(t, site, e2e.Transports[i%3], e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
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

	e2e.Shutdown(t, srv)

	for range cap(done) {
		require.ErrorIs(t, e2e.Await(t, done), mojo.ErrServerClosed)
	}
	require.Len(t, h.Ended, 30)
	e2e.RequireEmptyViews(t, srv, ch)
}

// Shutdown returns after every OnDisconnect has returned, also the OnDisconnect
// of connections that the client has ended.
func TestShutdownWhileClientsLeave(t *testing.T) {
	for range 30 {
		h := e2e.NewApp()
		srv, ch := e2e.ChatServer(t, h)
		site := siotest.Serve(t, siotest.Memory, srv)
		var clients []*siotest.Client
		for i := range 6 {
			client := e2e.Dial(t, site, e2e.Transports[i%3])
			client.Connect(e2e.ChatNamespace, nil)
			clients = append(clients, client)
		}
		go func() {
			for _, client := range clients {
				client.Engine.Drop()
			}
		}()

		e2e.Shutdown(t, srv)

		require.Len(t, h.Ended, len(clients))
		e2e.RequireEmptyViews(t, srv, ch)
	}
}

// Close does not wait for handlers, but OnDisconnect runs for each connection.
func TestClose(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		goOn := make(chan struct{})
		h := e2e.NewApp()
		h.Message = func(*mojo.Conn, *mojo.Message) { <-goOn }
		srv, ch := e2e.ChatServer(t, h)
		client := e2e.Dial(t, siotest.Serve(t, n, srv), transport)
		socket := client.Connect(e2e.ChatNamespace, nil)
		socket.Emit("block")
		socket.Barrier()

		require.NoError(t, srv.Close())

		client.Engine.AwaitClosed()
		require.ErrorIs(t, ch.Emit("x"), mojo.ErrServerClosed)
		close(goOn)
		require.Equal(t, mojo.ReasonShutdown, e2e.Await(t, h.Ended).Reason)
		require.NoError(t, srv.Close())
	})
}

// A Server without connections needs no Close, and Shutdown of it succeeds.
func TestServerWithoutConnections(t *testing.T) {
	srv, err := mojo.New(mojo.Options{})
	require.NoError(t, err)
	e2e.Shutdown(t, srv)
}

// Shutdown disconnects the clients in groups of a thousand, and all of them
// within half of the time until its context's deadline.
func TestShutdownInBatches(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{
		0:                      200 * time.Millisecond,
		100 * time.Millisecond: 50 * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			srv, _ := e2e.ChatServer(t, e2e.NewApp())
			site := siotest.Serve(t, siotest.Memory, srv)
			first := make(chan time.Duration, 2100)
			var start time.Time
			for range 2100 {
				c := e2e.Dial(t, site, "websocket")
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
				if e2e.Await(t, first) == 0 {
					atOnce++
				}
			}
			require.Equal(t, 1000, atOnce)
		})
	}
}
