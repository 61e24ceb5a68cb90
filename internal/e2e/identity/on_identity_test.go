package identity

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// OnIdentity is called once for each change and each Conn, on every tab and
// app, in order, with the identity before and after the change.
func TestOnIdentity(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewWatchingApp()
		srv, site := e2e.LoginSite(t, n, h)
		b := e2e.NewBrowser(t, site)
		b.Visit("/who")
		bystander := e2e.Dial(t, site, transport, e2e.SessionCookie("other"), e2e.LoginCookie("ann")).Connect(e2e.ChatNamespace, nil)
		client, tab := b.Dial(transport), b.Dial(transport)
		sockets := []*siotest.Socket{
			client.Connect(e2e.ChatNamespace, nil), client.Connect("/NewsSocket", nil), tab.Connect(e2e.ChatNamespace, nil),
		}
		steps := []mojo.Identity{srv.Identity(cookietest.Request(b.Header().Get("Cookie")))}
		for _, path := range []string{"/login?user=ann", "/login?user=bob", "/logout"} {
			session, user := b.WhoIs(path)
			require.Equal(t, session+" "+user, b.Visit("/who"))
			client.Engine.SetHeader(b.Header())
			tab.Engine.SetHeader(b.Header())
			if user != "" {
				e2e.FollowLogin(t, site, b.Header(), sockets...)
			}
			if user == "bob" { // between ann and bob it had no identity
				steps = append(steps, mojo.Identity{})
			}
			steps = append(steps, srv.Identity(cookietest.Request(b.Header().Get("Cookie"))))
		}

		calls := make(map[*mojo.Conn][]mojo.Identity)
		for range 3 * 4 {
			c := e2e.Await(t, h.Changes)
			if calls[c.Conn] == nil {
				calls[c.Conn] = []mojo.Identity{c.Old}
			}
			require.Equal(t, last(calls[c.Conn]), c.Old)
			calls[c.Conn] = append(calls[c.Conn], c.Now)
		}

		require.Len(t, calls, 3)
		for _, seen := range calls {
			require.Equal(t, steps, seen)
		}
		bystander.ExpectNothing()
		e2e.Shutdown(t, srv)
		require.Empty(t, h.Changes)
	})
}

// last returns the last element of a list.
func last[T any](list []T) T { return list[len(list)-1] }

// OnIdentity runs after OnConnect has returned, and never at the same time as
// another callback of its Conn.
func TestOnIdentityRunsAfterOnConnect(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var inside atomic.Int32
		var mu sync.Mutex // guards calls
		var calls []string
		enter := func(what string) (leave func()) {
			if inside.Add(1) > 1 {
				what += ", at the same time"
			}
			mu.Lock()
			calls = append(calls, what)
			mu.Unlock()
			return func() { inside.Add(-1) }
		}
		entered, goOn := make(chan string), make(chan struct{})
		h := e2e.NewWatchingApp()
		h.Connect = func(*mojo.Conn) error {
			defer enter("OnConnect")()
			entered <- "OnConnect"
			<-goOn
			return nil
		}
		h.Identity = func(_ *mojo.Conn, _, now mojo.Identity) error {
			defer enter("OnIdentity " + now.SessionID)()
			entered <- now.SessionID
			<-goOn
			return nil
		}
		h.Message = func(_ *mojo.Conn, m *mojo.Message) { defer enter("OnMessage " + m.Event())() }
		h.Disconnect = func(*mojo.Conn, mojo.Reason) { defer enter("OnDisconnect")() }
		srv, _ := e2e.ChatServer(t, h)
		client := e2e.Dial(t, siotest.Serve(t, n, srv), transport, e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
		client.SendConnect(e2e.ChatNamespace, nil)
		require.Equal(t, "OnConnect", e2e.Await(t, entered))
		rebind := func(session, now string) {
			require.NoError(t, srv.Rebind(t.Context(), session, mojo.Identity{SessionID: now, UserID: "ann"}))
			client.Engine.SetHeader(e2e.CookieHeader(e2e.SessionCookie(now), e2e.LoginCookie("ann")))
		}

		rebind("s", "s1")
		rebind("s1", "s2")
		require.Empty(t, h.Changes, "OnConnect has not returned")
		goOn <- struct{}{}
		socket, _ := client.AwaitConnect(e2e.ChatNamespace)
		require.Equal(t, "s1", e2e.Await(t, entered))
		socket.Emit("first")
		client.Barrier()
		rebind("s2", "s3")
		goOn <- struct{}{}
		require.Equal(t, "s2", e2e.Await(t, entered))
		goOn <- struct{}{}
		require.Equal(t, "s3", e2e.Await(t, entered))
		socket.Emit("second")
		client.Barrier()
		socket.Disconnect()
		client.Barrier()
		rebind("s3", "too late")
		goOn <- struct{}{}
		e2e.Await(t, h.Ended)
		e2e.Shutdown(t, srv)

		require.Equal(t, []string{
			"OnConnect", "OnIdentity s1", "OnIdentity s2", "OnMessage first", "OnIdentity s3", "OnMessage second", "OnDisconnect",
		}, calls)
		require.Zero(t, inside.Load())
	})
}

// OnIdentity is not called for a connection that began after the change, for a
// refused connection, or if the identity has not changed.
func TestOnIdentityIsCalledForChangesAlone(t *testing.T) {
	h := e2e.NewWatchingApp()
	inside, goOn := make(chan struct{}), make(chan error)
	h.Connect = func(*mojo.Conn) error {
		inside <- struct{}{}
		return <-goOn
	}
	srv, _ := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	ann := []string{e2e.SessionCookie("s"), e2e.LoginCookie("ann")}
	bare, refused := e2e.Dial(t, site, "websocket", ann...), e2e.Dial(t, site, "websocket", ann...)
	refused.SendConnect(e2e.ChatNamespace, nil)
	e2e.Await(t, inside)

	require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "t", UserID: "ann"}))

	goOn <- e2e.ErrSecret
	_, refusal := refused.AwaitConnect(e2e.ChatNamespace)
	require.NotNil(t, refusal)
	bare.SendConnect(e2e.ChatNamespace, nil)
	e2e.Await(t, inside)
	goOn <- nil
	require.Equal(t, "t", e2e.Await(t, h.Accepted).SessionID())
	require.NoError(t, srv.Rebind(t.Context(), "t", mojo.Identity{SessionID: "t", UserID: "ann"}))
	e2e.Shutdown(t, srv)
	require.Empty(t, h.Changes)
}

// Connections begin and end while another goroutine changes their identity. In
// the calls of each Conn, the old identity is the new identity of the previous
// call, and no call follows OnDisconnect.
func TestOnIdentityDuringConnects(t *testing.T) {
	type history struct {
		seen    mojo.Identity // the identity in OnConnect; OnIdentity may report the change to it later
		changes []e2e.IdentityChange
		ended   bool
	}
	var mu sync.Mutex // guards histories
	histories := make(map[*mojo.Conn]*history)
	h := e2e.NewWatchingApp()
	h.Connect = func(c *mojo.Conn) error {
		mu.Lock()
		defer mu.Unlock()
		histories[c] = &history{seen: c.Identity()}
		return nil
	}
	called := make(chan struct{}, 1)
	h.Identity = func(c *mojo.Conn, old, now mojo.Identity) error {
		<-h.Changes
		mu.Lock()
		defer mu.Unlock()
		if histories[c].ended {
			t.Error("OnIdentity after OnDisconnect")
		}
		histories[c].changes = append(histories[c].changes, e2e.IdentityChange{Conn: c, Old: old, Now: now})
		select {
		case called <- struct{}{}:
		default:
		}
		return nil
	}
	h.Disconnect = func(c *mojo.Conn, _ mojo.Reason) {
		mu.Lock()
		defer mu.Unlock()
		histories[c].ended = true
	}
	srv, _ := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				if err := srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "s"}); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	for range e2e.Rounds(1000) {
		client := e2e.Dial(t, site, "websocket", e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
		client.Connect(e2e.ChatNamespace, nil)
		for range 5 {
			client.Connect(e2e.ChatNamespace, nil) // replaces the previous connection
		}
		client.Close()
	}
	close(stop)
	e2e.AwaitClosed(t, stopped)
	// All changes above may have come before OnConnect. This one comes later.
	e2e.Dial(t, site, "websocket", e2e.SessionCookie("s"), e2e.LoginCookie("ann")).Connect(e2e.ChatNamespace, nil)
	require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "s"}))
	e2e.Await(t, called)
	e2e.Shutdown(t, srv)

	changes := 0
	for c, past := range histories {
		require.True(t, past.ended)
		changes += len(past.changes)
		known := []mojo.Identity{c.Identity()}
		for i, step := range past.changes {
			known = append(known, step.Old, step.Now)
			if i > 0 {
				require.Equal(t, past.changes[i-1].Now, step.Old)
			}
		}
		if len(past.changes) > 0 {
			require.Contains(t, known, past.seen)
		}
	}
	require.NotZero(t, changes)
}

// If OnIdentity returns an error, the client is disconnected from that app
// alone, with the documented reason, and no event that it sent before is
// handled.
func TestOnIdentityRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"ClientError": {
			fmt.Errorf("secret: %w", mojo.ClientError{Message: "not here", Data: map[string]int{"level": 3}}),
			`{"code":4004,"reason":"identity refused","reconnect":false,"message":"not here","data":{"level":3}}`,
		},
		"any other error": {
			e2e.ErrSecret,
			`{"code":4004,"reason":"identity refused","reconnect":false,"message":"internal error"}`,
		},
		"data that cannot be encoded": {
			mojo.ClientError{Message: "not here", Data: func() {}},
			`{"code":4004,"reason":"identity refused","reconnect":false,"message":"not here"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				entered, goOn := make(chan struct{}), make(chan struct{})
				h, news := e2e.NewWatchingApp(), e2e.NewApp()
				h.Identity = func(*mojo.Conn, mojo.Identity, mojo.Identity) error {
					entered <- struct{}{}
					<-goOn
					return test.err
				}
				h.Message = func(_ *mojo.Conn, m *mojo.Message) { t.Error("handled", m.Event()) }
				srv, ch := e2e.ChatServer(t, h)
				e2e.Register(t, srv, "News", news)
				client := e2e.Dial(t, siotest.Serve(t, n, srv), transport, e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
				socket, other := client.Connect(e2e.ChatNamespace, nil), client.Connect("/NewsSocket", nil)
				conn := e2e.Await(t, h.Accepted)

				require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "t", UserID: "ann"}))
				client.Engine.SetHeader(e2e.CookieHeader(e2e.SessionCookie("t"), e2e.LoginCookie("ann")))

				e2e.Await(t, entered)
				socket.Emit("too late")
				client.Barrier()
				close(goOn)
				event := socket.Next()
				require.Equal(t, mojo.RevokedEvent, event.Name)
				require.JSONEq(t, "["+test.want+"]", event.JSON())
				require.Equal(t, siotest.ReasonServerDisconnect, socket.AwaitDisconnected())
				require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonIdentityRefused}, e2e.Await(t, h.Ended))
				require.Zero(t, ch.Len())
				require.NoError(t, srv.LoggedInSessions().Get("ann").Emit("still here"))
				other.Expect("still here")
				client.SendConnect(e2e.ChatNamespace, nil)
				require.Equal(t, "ann", e2e.Await(t, h.Accepted).UserID(), "OnConnect decides whether the client may connect again")
			})
		})
	}
}

// A panic in OnIdentity ends its connection and no other.
func TestOnIdentityPanics(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewWatchingApp()
		h.Identity = func(c *mojo.Conn, _, _ mojo.Identity) error {
			if c.Get("bad") != nil {
				panic("of the test")
			}
			return nil
		}
		srv, ch := e2e.ChatServer(t, h)
		site := siotest.Serve(t, n, srv)
		ann := []string{e2e.SessionCookie("s"), e2e.LoginCookie("ann")}
		client, tab := e2e.Dial(t, site, transport, ann...), e2e.Dial(t, site, transport, ann...)
		client.Connect(e2e.ChatNamespace, nil)
		bad := e2e.Await(t, h.Accepted)
		bad.Set("bad", true)
		good := tab.Connect(e2e.ChatNamespace, nil)

		require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "t", UserID: "ann"}))
		tab.Engine.SetHeader(e2e.CookieHeader(e2e.SessionCookie("t"), e2e.LoginCookie("ann")))

		client.Engine.AwaitClosed()
		require.Equal(t, e2e.End{Conn: bad, Reason: mojo.ReasonHandlerPanic}, e2e.Await(t, h.Ended))
		require.NoError(t, srv.LoggedInSessions().Get("ann").Emit("note"))
		good.Expect("note")
		require.Equal(t, 1, ch.Len())
	})
}

// OnIdentity may change and revoke identities, leave rooms and emit without a
// deadlock.
func TestOnIdentityActs(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewWatchingApp()
		h.Connect = func(c *mojo.Conn) error { return c.Join("room") }
		srv, ch := e2e.ChatServer(t, h)
		h.Identity = func(c *mojo.Conn, _, now mojo.Identity) error {
			c.Leave("room")
			if err := c.Emit("you are", now.SessionID); err != nil {
				return err
			}
			switch now.SessionID {
			case "t":
				return srv.Rebind(t.Context(), "t", mojo.Identity{SessionID: "u", UserID: "ann"})
			case "u":
				return srv.LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{})
			}
			return nil
		}
		client := e2e.Dial(t, siotest.Serve(t, n, srv), transport, e2e.SessionCookie("s"), e2e.LoginCookie("ann"))
		socket := client.Connect(e2e.ChatNamespace, nil)

		require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "t", UserID: "ann"}))

		require.Equal(t, "t", e2e.Await(t, h.Changes).Now.SessionID)
		require.Equal(t, "u", e2e.Await(t, h.Changes).Now.SessionID)
		client.Engine.SetHeader(e2e.CookieHeader(e2e.SessionCookie("u"), e2e.LoginCookie("ann")))
		socket.Expect("you are", "t")
		socket.Expect("you are", "u")
		socket.Expect(mojo.RevokedEvent, e2e.RevokedNotice(mojo.CodeRevoked, mojo.ReasonRevoked, false))
		require.Equal(t, mojo.ReasonRevoked, e2e.Await(t, h.Ended).Reason)
		e2e.RequireEmptyViews(t, srv, ch)
		e2e.Shutdown(t, srv)
		require.Empty(t, h.Changes)
	})
}
