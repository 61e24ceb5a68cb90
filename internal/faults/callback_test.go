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
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// observer is a SocketHandler with every further interface, and one function for all of them.
type observer struct {
	srv *mojo.Server
	on  func(callback string, c *mojo.Conn) // c is nil where there is none

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
func (o *observer) presenceAnywhere(mojo.Presence)          { o.on("Options.OnPresence", nil) }

// callbacks are all of them.
var callbacks = []string{"OnConnect", "OnMessage", "OnDisconnect", "OnIdentity", "OnPresence", "OnEmit", "Options.OnPresence"}

// observed serves an observer to people with cookies.
func observed(t testing.TB, on func(callback string, c *mojo.Conn)) (*observer, *mojo.Channel, *mojo.Cookies) {
	t.Helper()
	o, cookies := &observer{on: on}, newCookies(t)
	srv, ch := newServer(t, mojo.Options{
		Cookies: cookies, OnPresence: o.presenceAnywhere, Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond},
	}, o)
	o.srv = srv
	return o, ch, cookies
}

// TestEverythingFromEveryCallback: from inside each callback, thousands of times, handlers emit, broadcast, join,
// look around, change identities and close connections, their own and others'. Nothing locks up, a client sees
// nothing ahead of its connect event, and nothing is left.
func TestEverythingFromEveryCallback(t *testing.T) {
	var turn atomic.Int64
	var ch *mojo.Channel
	var o *observer
	counts := make(map[string]*atomic.Int64)
	for _, callback := range callbacks {
		counts[callback] = new(atomic.Int64)
	}
	o, ch, cookies := observed(t, func(callback string, c *mojo.Conn) {
		counts[callback].Add(1)
		if callback == "OnEmit" { // to emit here would never end
			_ = c.Join("seen")
			lookAround(o.srv, ch, c)
			return
		}
		doEverything(o.srv, ch, c, int(turn.Add(1)))
	})
	site := siotest.Serve(t, siotest.TCP, o.srv)
	n := int64(times(10_000))
	var clients sync.WaitGroup
	for w := range 6 {
		clients.Go(func() {
			for i := 0; turn.Load() < n; i++ {
				session := fmt.Sprintf("s%d-%d", w, i)
				if err := meet(t.Context(), o.srv, site, as(t, cookies, session, "u"+session), session, w); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	shutdown(t, o.srv)
	requireNobody(t, o.srv, ch)
	for callback, count := range counts {
		require.NotZero(t, count.Load(), callback)
	}
	require.Zero(t, o.srv.Stats().HandlerPanics)
}

// doEverything that handlers may do. What is closed already says so.
func doEverything(srv *mojo.Server, ch *mojo.Channel, c *mojo.Conn, turn int) {
	_ = ch.Emit("all", turn)
	_ = ch.To("room").Except("other").Volatile().Emit("room", turn)
	_ = ch.Latest("key").Emit("latest", turn)
	_ = srv.CurrentSessions().Emit("sessions", turn)
	ch.To("room").Leave("other")
	_ = ch.To("room").Join("another")
	lookAround(srv, ch, c)
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

func lookAround(srv *mojo.Server, ch *mojo.Channel, c *mojo.Conn) {
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

// meet is a client that comes, is somebody else for a while, and leaves, unless it is sent away before.
func meet(ctx context.Context, srv *mojo.Server, site *siotest.Site, cookie, session string, number int) error {
	c, err := crowd.Open(ctx, site.Host(), crowd.Options{Number: number, Cookie: cookie}, "40"+namespace+",")
	if err != nil {
		return err
	}
	defer c.Reset()
	first, err := c.Next()
	if gone(err) || err == nil && strings.HasPrefix(first, "44"+namespace) {
		return nil // revoked while it was pending
	}
	if err != nil {
		return err
	}
	if !strings.HasPrefix(first, "40"+namespace+`,{"sid":`) {
		return fmt.Errorf("%.60q came ahead of the connect event", first)
	}
	_ = srv.Rebind(ctx, session, mojo.Identity{SessionID: session, UserID: "another"})
	_ = c.Send(c.Event("event", ""))
	_ = c.Send("42" + namespace + `,7["last"]`)
	for {
		packet, err := c.Next()
		switch {
		case gone(err), err == nil && packet == "41"+namespace+",":
			return nil // sent away
		case err != nil:
			return err
		case packet == "43"+namespace+`,7["last"]`:
			return nil
		case strings.HasPrefix(packet, "40"):
			return fmt.Errorf("%.60q came twice", packet)
		}
	}
}

// gone reports whether an error is the end of the connection.
func gone(err error) bool { return errors.Is(err, crowd.ErrClosed) }

// provoke connects somebody and has every callback called, until one that the test waits for has been.
func provoke(t *testing.T, o *observer, ch *mojo.Channel, site *siotest.Site, cookies *mojo.Cookies, session string, called func() bool) {
	t.Helper()
	client := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: header(as(t, cookies, session, "u"))})
	client.SendConnect(namespace, nil)
	view := ch.CurrentSessions().Get(session)
	waitUntil(t, "it is there", func() bool { return view.Len() == 1 || called() })
	handled := o.messages.Load()
	client.Engine.Send("2" + namespace + `,["event"]`)
	_ = o.srv.Rebind(t.Context(), session, mojo.Identity{SessionID: session, UserID: "another"})
	_ = view.Emit("event")
	// Before that the client may still be in OnConnect, and whoever leaves there is not told of any event.
	waitUntil(t, "its event is handled", func() bool { return o.messages.Load() > handled || called() })
	client.Engine.Send("1" + namespace + ",")
	waitUntil(t, "it is called", called)
}

// TestServerEndsFromEveryCallback: Close returns at once, and Shutdown, which waits for the very callback that calls
// it, when its context ends.
func TestServerEndsFromEveryCallback(t *testing.T) {
	for _, callback := range callbacks {
		for _, how := range []string{"Close", "Shutdown"} {
			t.Run(callback+"/"+how, func(t *testing.T) {
				result := make(chan error, 1)
				var once sync.Once
				var o *observer
				o, ch, cookies := observed(t, func(called string, _ *mojo.Conn) {
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

				provoke(t, o, ch, site, cookies, "s", func() bool { return len(result) > 0 })

				err := <-result
				if how == "Close" || callback == "OnEmit" { // which nobody waits for
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
				shutdown(t, o.srv)
				requireNobody(t, o.srv, ch)
			})
		}
	}
}

// TestPanicInEveryCallback: the process lives, and so do all other connections. The handler's own connection is
// closed so that its client comes back, where there is one.
func TestPanicInEveryCallback(t *testing.T) {
	for _, callback := range callbacks {
		t.Run(callback, func(t *testing.T) {
			var calls atomic.Int64
			o, ch, cookies := observed(t, func(called string, c *mojo.Conn) {
				if called == callback && (c == nil || c.SessionID() != "bystander") {
					calls.Add(1)
					panic("of the test")
				}
			})
			site := siotest.Serve(t, siotest.TCP, o.srv)
			client := siotest.Dial(t, site, siotest.Options{Header: header(as(t, cookies, "bystander", ""))})
			bystander := client.Connect(namespace, nil)

			for i := range 3 {
				seen := calls.Load()
				provoke(t, o, ch, site, cookies, fmt.Sprint("s", i), func() bool { return calls.Load() > seen })
				require.Equal(t, `["echo"]`, bystander.Call("echo").JSON())
			}

			waitUntil(t, "they are closed", func() bool { return o.srv.Stats().Connections == 1 || strings.HasSuffix(callback, "OnPresence") })
			if !strings.HasSuffix(callback, "OnPresence") {
				require.EqualValues(t, 3, o.srv.Stats().Closed[mojo.ReasonHandlerPanic])
			}
			require.NotZero(t, o.srv.Stats().HandlerPanics)
			require.NoError(t, ch.To().Emit("nobody"))
			require.NoError(t, o.srv.CurrentSessions().Get("bystander").Emit("still here"))
			bystander.Expect("still here")
			shutdown(t, o.srv)
			requireNobody(t, o.srv, ch)
		})
	}
}

// TestPanicInIdentify costs the request, and nothing is kept of it: as many are taken in as before.
func TestPanicInIdentify(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			var log journal
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
