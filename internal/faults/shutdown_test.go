package faults

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// TestShutdownUnderBroadcast, a thousand times: no panic, every client is told, every handler too, and in the end
// each emitter is told that the server is closed.
func TestShutdownUnderBroadcast(t *testing.T) {
	for i := range times(1000) {
		n := siotest.Networks[i%len(siotest.Networks)]
		h := newApp()
		srv, ch := newServer(t, mojo.Options{}, h)
		site := siotest.Serve(t, n, srv)
		var clients []*siotest.Client
		for _, transport := range append(transports, "websocket", "polling") {
			client, _ := dial(t, site, siotest.Options{Transport: transport})
			clients = append(clients, client)
		}
		var emitters sync.WaitGroup
		begun := make(chan struct{}, 3)
		for _, emit := range []func() error{
			func() error { return ch.Emit("event", 1) },
			func() error { return ch.Except("room").Emit("event", []byte("binary")) },
			func() error { return ch.Latest("key").Emit("event", 1) },
		} {
			emitters.Go(func() {
				pace := time.NewTicker(100 * time.Microsecond)
				defer pace.Stop()
				err := emit()
				begun <- struct{}{}
				for err == nil {
					<-pace.C
					err = emit()
				}
				if !errors.Is(err, mojo.ErrServerClosed) {
					t.Error(err)
				}
			})
		}
		for range cap(begun) {
			await(t, begun)
		}

		shutdown(t, srv)

		emitters.Wait()
		for _, client := range clients {
			client.Engine.AwaitClosed()
		}
		require.Len(t, h.ended, len(clients))
		requireNobody(t, srv, ch)
	}
}

// TestShutdownWithStuckClientsAndABlockedHandler, under a broadcast, is back when its context ends, and says which
// handler it is. The clients that do not read are no reason to wait.
func TestShutdownWithStuckClientsAndABlockedHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		h := newApp()
		h.message = func(_ *mojo.Conn, m *mojo.Message) {
			if m.Event() == "block" {
				<-goOn
			}
		}
		srv, ch := newServer(t, mojo.Options{}, h)
		site := siotest.Serve(t, siotest.Memory, srv)
		for _, transport := range transports {
			client, _ := dial(t, site, siotest.Options{Transport: transport, ReadBuffer: 1 << 10})
			synctest.Wait() // it polls again
			client.Engine.Pause()
		}
		_, blocked := dial(t, site, siotest.Options{Transport: "websocket"})
		for range 10 {
			require.NoError(t, ch.Emit("event", strings.Repeat("x", 64<<10)))
		}
		blocked.Emit("block")
		synctest.Wait()
		emitted := make(chan error, 1)
		go func() {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if err := ch.Emit("tick"); err != nil {
					emitted <- err
					return
				}
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()

		err := srv.Shutdown(ctx)

		require.Equal(t, 5*time.Second, time.Since(start))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var stuck *mojo.ShutdownError
		require.ErrorAs(t, err, &stuck)
		require.Zero(t, stuck.Connections)
		require.Equal(t, []string{`OnMessage "block" on ` + namespace + ", connection " + blocked.SID()}, stuck.Handlers)
		require.ErrorContains(t, err, stuck.Handlers[0])
		require.ErrorIs(t, <-emitted, mojo.ErrServerClosed)
		close(goOn)
		shutdown(t, srv)
		requireNobody(t, srv, ch)
		require.Len(t, h.ended, len(transports)+1)
	})
}

// TestShutdownNamesStuckClients, if it may not wait as long as they are given.
func TestShutdownNamesStuckClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, ch := newServer(t, mojo.Options{}, newApp())
		site := siotest.Serve(t, siotest.Memory, srv)
		for _, transport := range transports {
			client, _ := dial(t, site, siotest.Options{Transport: transport, ReadBuffer: 1 << 10})
			synctest.Wait()
			client.Engine.Pause()
		}
		for range 10 {
			require.NoError(t, ch.Emit("event", strings.Repeat("x", 64<<10)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()

		err := srv.Shutdown(ctx)

		var stuck *mojo.ShutdownError
		require.ErrorAs(t, err, &stuck)
		require.Equal(t, len(transports), stuck.Connections)
		require.Empty(t, stuck.Handlers)
		require.EqualError(t, err, "mojo: Shutdown: context deadline exceeded with 3 connections open and 0 handlers running")
		shutdown(t, srv)
	})
}

// TestShutdownBesideHTTPServer, whose own Shutdown waits for polls and forgets WebSockets: at the same time, and one
// after the other.
func TestShutdownBesideHTTPServer(t *testing.T) {
	for name, both := range map[string]func(ctx context.Context, srv *mojo.Server, site *http.Server) []error{
		"at once": func(ctx context.Context, srv *mojo.Server, site *http.Server) []error {
			ended := make(chan error)
			go func() { ended <- site.Shutdown(ctx) }()
			return []error{srv.Shutdown(ctx), <-ended}
		},
		"mojo first": func(ctx context.Context, srv *mojo.Server, site *http.Server) []error {
			return []error{srv.Shutdown(ctx), site.Shutdown(ctx)}
		},
		"from RegisterOnShutdown": func(ctx context.Context, srv *mojo.Server, site *http.Server) []error {
			ended := make(chan error)
			site.RegisterOnShutdown(func() { ended <- srv.Shutdown(ctx) })
			return []error{site.Shutdown(ctx), <-ended}
		},
	} {
		for _, n := range []siotest.Network{siotest.TCP, siotest.TLS} {
			t.Run(name+"/"+n.Name, func(t *testing.T) {
				h := newApp()
				srv, ch := newServer(t, mojo.Options{}, h)
				server := &http.Server{Handler: srv}
				site := siotest.ServeServer(t, n, server)
				var clients []*siotest.Client
				for i := range 9 {
					client, _ := dial(t, site, siotest.Options{Transport: transports[i%3], HTTP2: n == siotest.TLS && i < 3})
					clients = append(clients, client)
				}
				ctx, cancel := context.WithTimeout(t.Context(), siotest.Limit)
				defer cancel()

				for _, err := range both(ctx, srv, server) {
					require.NoError(t, err)
				}

				require.Len(t, h.ended, len(clients))
				for range clients {
					require.Equal(t, mojo.ReasonShutdown, (<-h.ended).reason)
				}
				for _, client := range clients {
					client.Engine.AwaitClosed()
				}
				requireNobody(t, srv, ch)
				_, err := siotest.TryDial(t.Context(), site, siotest.Options{})
				require.Error(t, err)
			})
		}
	}
}
