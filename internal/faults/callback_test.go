package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// observer is a SocketHandler with every optional interface. Each of its
// callbacks calls the function on.
type observer struct {
	srv *mojo.Server
	on  func(callback string, c *mojo.Conn) // c is nil for OnPresence

	messages atomic.Int64
}

func (o *observer) OnConnect(c *mojo.Conn) error { o.on("OnConnect", c); return nil }
func (o *observer) OnMessage(c *mojo.Conn, m *mojo.Message) {
	o.messages.Add(1)
	o.on("OnMessage", c)
	_ = m.Ack(m.Event())
}

func (o *observer) OnDisconnect(c *mojo.Conn, _ mojo.Reason) {
	o.on("OnDisconnect", c)
}

func (o *observer) OnIdentity(c *mojo.Conn, _, _ mojo.Identity) error {
	o.on("OnIdentity", c)
	return nil
}
func (o *observer) OnPresence(*mojo.Channel, mojo.Presence) { o.on("OnPresence", nil) }
func (o *observer) OnEmit(c *mojo.Conn, _ string, _ []any)  { o.on("OnEmit", c) }
func (o *observer) serverPresence(mojo.Presence)            { o.on("Options.OnPresence", nil) }

// callbacks has the names of the callbacks.
var callbacks = []string{"OnConnect", "OnMessage", "OnDisconnect", "OnIdentity", "OnPresence", "OnEmit", "Options.OnPresence"}

// newObserver returns an observer on the app Chat of a Server with cookies.
func newObserver(t testing.TB, on func(callback string, c *mojo.Conn)) (*observer, *mojo.Channel) {
	t.Helper()
	o := &observer{on: on}
	srv, ch := newServer(t, mojo.Options{
		Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), OnPresence: o.serverPresence, Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond},
	}, o)
	o.srv = srv
	return o, ch
}

// Each callback runs thousands of times, and emits, broadcasts, joins rooms,
// reads the views, changes identities and closes its own and other connections.
// There is no deadlock, no client receives an event before its connect event,
// and in the end the Server has no connection.
func TestEverythingFromEveryCallback(t *testing.T) {
	var turn atomic.Int64
	var ch *mojo.Channel
	var o *observer
	counts := make(map[string]*atomic.Int64)
	for _, callback := range callbacks {
		counts[callback] = new(atomic.Int64)
	}
	o, ch = newObserver(t, func(callback string, c *mojo.Conn) {
		counts[callback].Add(1)
		if callback == "OnEmit" { // an Emit here would call OnEmit again
			_ = c.Join("seen")
			callReaders(o.srv, ch, c)
			return
		}
		callWriters(o.srv, ch, c, int(turn.Add(1)))
	})
	site := siotest.Serve(t, siotest.TCP, o.srv)
	n := int64(e2e.Rounds(10_000))
	var clients sync.WaitGroup
	for w := range 6 {
		clients.Go(func() {
			for i := 0; turn.Load() < n; i++ {
				session := fmt.Sprintf("s%d-%d", w, i)
				if err := runClient(t.Context(), o.srv, site, cookie(session, "u"+session), session, w); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	e2e.Shutdown(t, o.srv)
	requireNoConnections(t, o.srv, ch)
	for callback, count := range counts {
		require.NotZero(t, count.Load(), callback)
	}
	require.Zero(t, o.srv.Stats().HandlerPanics)
}

// callWriters calls the methods that a handler may call. Some turns also
// disconnect, revoke or rebind. It ignores errors, because connections may have
// ended.
func callWriters(srv *mojo.Server, ch *mojo.Channel, c *mojo.Conn, turn int) {
	_ = ch.Emit("all", turn)
	_ = ch.To("room").Except("other").Volatile().Emit("room", turn)
	_ = ch.Latest("key").Emit("latest", turn)
	_ = srv.CurrentSessions().Emit("sessions", turn)
	ch.To("room").Leave("other")
	_ = ch.To("room").Join("another")
	callReaders(srv, ch, c)
	if c == nil {
		return
	}
	_ = c.Join("room", "other")
	_ = c.Emit("own", turn)
	_ = c.Volatile().Emit("own", turn)
	_ = srv.LoggedInSessions().Get(c.UserID()).Emit("user", turn)
	c.Leave("other")
	session := c.SessionID()
	switch turn % 40 {
	case 0:
		_ = c.Disconnect()
	case 1:
		_ = srv.CurrentSessions().Get(session).Revoke(context.Background(), mojo.Revocation{Reconnect: true})
	case 2:
		_ = srv.Rebind(context.Background(), session, mojo.Identity{SessionID: session, UserID: fmt.Sprint("rebound", turn)})
	case 3:
		for other := range ch.Conns() {
			_ = other.Disconnect()
			break
		}
	}
}

// callReaders calls every method that only reads.
func callReaders(srv *mojo.Server, ch *mojo.Channel, c *mojo.Conn) {
	_ = srv.Stats()
	_, _ = ch.Len(), srv.CurrentSessions().Online("x")
	for range srv.CurrentSessions().All() {
		break
	}
	if c != nil {
		_, _, _ = c.Rooms(), c.Identity(), c.Context()
		_, _ = ch.Conn(c.ID())
	}
}

// runClient runs a client that connects, changes its identity and leaves,
// unless the server disconnects it before.
func runClient(ctx context.Context, srv *mojo.Server, site *siotest.Site, cookie, session string, number int) error {
	c, err := crowd.Open(ctx, site.Host(), crowd.Options{Number: number, Cookie: cookie}, "40"+e2e.ChatNamespace+",")
	if err != nil {
		return err
	}
	defer c.Reset()
	first, err := c.Next()
	if isClosed(err) || err == nil && strings.HasPrefix(first, "44"+e2e.ChatNamespace) {
		return nil // revoked during OnConnect
	}
	if err != nil {
		return err
	}
	if !strings.HasPrefix(first, "40"+e2e.ChatNamespace+`,{"sid":`) {
		return fmt.Errorf("%.60q came before the connect event", first)
	}
	_ = srv.Rebind(ctx, session, mojo.Identity{SessionID: session, UserID: "another"})
	_ = c.Send(c.Event("event", ""))
	_ = c.Send("42" + e2e.ChatNamespace + `,7["last"]`)
	for {
		packet, err := c.Next()
		switch {
		case isClosed(err), err == nil && packet == "41"+e2e.ChatNamespace+",":
			return nil // disconnected
		case err != nil:
			return err
		case packet == "43"+e2e.ChatNamespace+`,7["last"]`:
			return nil
		case strings.HasPrefix(packet, "40"):
			return fmt.Errorf("%.60q came twice", packet)
		}
	}
}

// isClosed reports whether an error is the end of the connection.
func isClosed(err error) bool { return errors.Is(err, crowd.ErrClosed) }

// causeCallbacks connects a client and causes every callback, until called
// returns true.
func causeCallbacks(t *testing.T, o *observer, ch *mojo.Channel, site *siotest.Site, session string, called func() bool) {
	t.Helper()
	client := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: e2e.CookieHeader(cookie(session, "u"))})
	client.SendConnect(e2e.ChatNamespace, nil)
	view := ch.CurrentSessions().Get(session)
	e2e.WaitUntil(t, "the client is in the view", func() bool { return view.Len() == 1 || called() })
	handled := o.messages.Load()
	client.Engine.Send("2" + e2e.ChatNamespace + `,["event"]`)
	_ = o.srv.Rebind(t.Context(), session, mojo.Identity{SessionID: session, UserID: "another"})
	_ = view.Emit("event")
	// OnConnect may still run until then. If the client leaves while it runs,
	// its events are not handled.
	e2e.WaitUntil(t, "OnMessage has run", func() bool { return o.messages.Load() > handled || called() })
	client.Engine.Send("1" + e2e.ChatNamespace + ",")
	e2e.WaitUntil(t, "the callback has run", called)
}

// If a callback calls Close, Close returns at once. If a callback calls
// Shutdown, which waits for that callback, Shutdown returns when its context
// ends.
func TestCloseAndShutdownInEveryCallback(t *testing.T) {
	for _, callback := range callbacks {
		for _, how := range []string{"Close", "Shutdown"} {
			t.Run(callback+"/"+how, func(t *testing.T) {
				result := make(chan error, 1)
				var once sync.Once
				var o *observer
				o, ch := newObserver(t, func(called string, _ *mojo.Conn) {
					if called != callback {
						return
					}
					once.Do(func() {
						if how == "Close" {
							result <- o.srv.Close()
							return
						}
						ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
						defer cancel()
						result <- o.srv.Shutdown(ctx)
					})
				})
				site := siotest.Serve(t, siotest.TCP, o.srv)

				causeCallbacks(t, o, ch, site, "s", func() bool { return len(result) > 0 })

				err := <-result
				if how == "Close" || callback == "OnEmit" { // Shutdown does not wait for OnEmit
					require.NoError(t, err)
				} else {
					var stuck *mojo.ShutdownError
					require.ErrorAs(t, err, &stuck)
					require.ErrorIs(t, err, context.DeadlineExceeded)
					if !strings.HasSuffix(callback, "OnPresence") {
						require.Len(t, stuck.Handlers, 1)
						require.True(t, strings.HasPrefix(stuck.Handlers[0], callback+" "), stuck.Handlers)
					}
				}
				e2e.Shutdown(t, o.srv)
				requireNoConnections(t, o.srv, ch)
			})
		}
	}
}

// A panic in a callback ends only its own connection, and the client
// reconnects. The process continues.
func TestPanicInEveryCallback(t *testing.T) {
	for _, callback := range callbacks {
		t.Run(callback, func(t *testing.T) {
			var calls atomic.Int64
			o, ch := newObserver(t, func(called string, c *mojo.Conn) {
				if called == callback && (c == nil || c.SessionID() != "bystander") {
					calls.Add(1)
					panic("of the test")
				}
			})
			site := siotest.Serve(t, siotest.TCP, o.srv)
			client := siotest.Dial(t, site, siotest.Options{Header: e2e.CookieHeader(cookie("bystander", ""))})
			bystander := client.Connect(e2e.ChatNamespace, nil)

			for i := range 3 {
				seen := calls.Load()
				causeCallbacks(t, o, ch, site, fmt.Sprint("s", i), func() bool { return calls.Load() > seen })
				require.Equal(t, `["echo"]`, bystander.Call("echo").JSON())
			}

			e2e.WaitUntil(t, "the other connections are closed", func() bool { return o.srv.Stats().Connections == 1 || strings.HasSuffix(callback, "OnPresence") })
			if !strings.HasSuffix(callback, "OnPresence") {
				require.EqualValues(t, 3, o.srv.Stats().Closed[mojo.ReasonHandlerPanic])
			}
			require.NotZero(t, o.srv.Stats().HandlerPanics)
			require.NoError(t, ch.To().Emit("nobody"))
			require.NoError(t, o.srv.CurrentSessions().Get("bystander").Emit("still here"))
			bystander.Expect("still here")
			e2e.Shutdown(t, o.srv)
			requireNoConnections(t, o.srv, ch)
		})
	}
}

// A panic in Identify fails its request, and no limit counts the connection.
func TestPanicInIdentify(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			var log e2e.Log
			srv, ch := newServer(t, mojo.Options{
				Limits: mojo.Limits{MaxConns: 2, MaxUnconnected: 2}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				Identify: func(r *http.Request) (mojo.Identity, error) {
					if r.Header.Get("X-Panic") != "" {
						panic("of the test")
					}
					return mojo.Identity{}, nil
				},
			}, newApp())
			site := siotest.Serve(t, siotest.TCP, srv)
			_, bystander := dial(t, site, siotest.Options{Transport: transport})
			for range 10 {
				_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: http.Header{"X-Panic": {"1"}}})
				require.Error(t, err)
			}
			require.Contains(t, log.String(), "of the test")
			require.EqualValues(t, 10, srv.Stats().HandlerPanics)

			require.Zero(t, srv.Stats().Unconnected)
			_, another := dial(t, site, siotest.Options{Transport: transport})
			require.NoError(t, ch.Emit("event"))
			bystander.Expect("event")
			another.Expect("event")
		})
	}
}
