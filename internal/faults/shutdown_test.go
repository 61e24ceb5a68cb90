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
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Shutdown runs during broadcasts, a thousand times. There is no panic,
// OnDisconnect runs for every connection, every client is disconnected, and in
// the end each emitter gets ErrServerClosed.
func TestShutdownUnderBroadcast(t *testing.T) {
	for i := range e2e.Rounds(1000) {
		n := siotest.Networks[i%len(siotest.Networks)]
		h := newApp()
		srv, ch := newServer(t, mojo.Options{}, h)
		site := siotest.Serve(t, n, srv)
		var clients []*siotest.Client
		for _, transport := range append(e2e.Transports, "websocket", "polling") {
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
			e2e.Await(t, begun)
		}

		e2e.Shutdown(t, srv)

		emitters.Wait()
		for _, client := range clients {
			client.Engine.AwaitClosed()
		}
		require.Len(t, h.Ended, len(clients))
		requireNoConnections(t, srv, ch)
	}
}

// Shutdown returns when its context ends, even if a handler blocks, and its
// error names the handler. It does not wait for clients that do not read.
func TestShutdownWithStuckClientsAndABlockedHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		h := newApp()
		h.Message = func(_ *mojo.Conn, m *mojo.Message) {
			if m.Event() == "block" {
				<-goOn
			}
		}
		srv, ch := newServer(t, mojo.Options{}, h)
		site := siotest.Serve(t, siotest.Memory, srv)
		for _, transport := range e2e.Transports {
			client, _ := dial(t, site, siotest.Options{Transport: transport, ReadBuffer: 1 << 10})
			synctest.Wait() // until the client has sent its next poll
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
		require.Equal(t, []string{`OnMessage "block" on ` + e2e.ChatNamespace + ", connection " + blocked.SID()}, stuck.Handlers)
		require.ErrorContains(t, err, stuck.Handlers[0])
		require.ErrorIs(t, <-emitted, mojo.ErrServerClosed)
		close(goOn)
		e2e.Shutdown(t, srv)
		requireNoConnections(t, srv, ch)
		require.Len(t, h.Ended, len(e2e.Transports)+1)
	})
}

// If its context ends before the time limit for clients that do not read, the
// error of Shutdown has the number of these clients.
func TestShutdownNamesStuckClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, ch := newServer(t, mojo.Options{}, newApp())
		site := siotest.Serve(t, siotest.Memory, srv)
		for _, transport := range e2e.Transports {
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
		require.Equal(t, len(e2e.Transports), stuck.Connections)
		require.Empty(t, stuck.Handlers)
		require.EqualError(t, err, "mojo: Shutdown: context deadline exceeded with 3 connections open and 0 handlers running")
		e2e.Shutdown(t, srv)
	})
}

// Server.Shutdown and http.Server.Shutdown, which waits for polls and ignores
// WebSockets, may run at the same time or one after the other.
func TestShutdownBesideHTTPServer(t *testing.T) {
	for name, shutDown := range map[string]func(ctx context.Context, srv *mojo.Server, site *http.Server) []error{
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
					client, _ := dial(t, site, siotest.Options{Transport: e2e.Transports[i%3], HTTP2: n == siotest.TLS && i < 3})
					clients = append(clients, client)
				}
				ctx, cancel := context.WithTimeout(t.Context(), siotest.Limit)
				defer cancel()

				for _, err := range shutDown(ctx, srv, server) {
					require.NoError(t, err)
				}

				require.Len(t, h.Ended, len(clients))
				for range clients {
					require.Equal(t, mojo.ReasonShutdown, (<-h.Ended).Reason)
				}
				for _, client := range clients {
					client.Engine.AwaitClosed()
				}
				requireNoConnections(t, srv, ch)
				_, err := siotest.TryDial(t.Context(), site, siotest.Options{})
				require.Error(t, err)
			})
		}
	}
}
