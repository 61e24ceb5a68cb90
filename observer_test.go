package mojo

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// watchingApp is an app that is told of identities, too. The function may be nil.
type watchingApp struct {
	*app
	identity func(c *Conn, old, now Identity) error

	changes chan change
}

type change struct {
	conn     *Conn
	old, now Identity
}

func newWatchingApp() *watchingApp {
	return &watchingApp{app: newApp(), changes: make(chan change, 10_000)}
}

func (a *watchingApp) OnIdentity(c *Conn, old, now Identity) error {
	a.changes <- change{c, old, now}
	if a.identity != nil {
		return a.identity(c, old, now)
	}
	return nil
}

// TestOnIdentity: each Conn, in every tab and on every app, is told of each change once, in order, as of what it was
// before.
func TestOnIdentity(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newWatchingApp()
		srv, site := loginSite(t, n, h)
		b := newBrowser(t, site)
		b.visit("/who")
		bystander := dial(t, site, transport, inSession("other"), asUser("ann")).Connect(chatNamespace, nil)
		client, tab := b.dial(transport), b.dial(transport)
		sockets := []*siotest.Socket{
			client.Connect(chatNamespace, nil), client.Connect("/NewsSocket", nil), tab.Connect(chatNamespace, nil),
		}
		steps := []Identity{srv.Identity(cookieRequest(b.header().Get("Cookie")))}
		for _, path := range []string{"/login?user=ann", "/login?user=bob", "/logout"} {
			session, user := b.whoIs(path)
			require.Equal(t, session+" "+user, b.visit("/who"))
			client.Engine.SetHeader(b.header())
			tab.Engine.SetHeader(b.header())
			if user != "" {
				follow(t, site, b.header(), sockets...)
			}
			if user == "bob" { // it was nobody's in between, no more ann's
				steps = append(steps, Identity{})
			}
			steps = append(steps, srv.Identity(cookieRequest(b.header().Get("Cookie"))))
		}

		told := make(map[*Conn][]Identity)
		for range 3 * 4 {
			c := await(t, h.changes)
			if told[c.conn] == nil {
				told[c.conn] = []Identity{c.old}
			}
			require.Equal(t, last(told[c.conn]), c.old)
			told[c.conn] = append(told[c.conn], c.now)
		}

		require.Len(t, told, 3)
		for _, seen := range told {
			require.Equal(t, steps, seen)
		}
		bystander.ExpectNothing()
		shutdown(t, srv)
		require.Empty(t, h.changes)
	})
}

func last[T any](list []T) T { return list[len(list)-1] }

// TestOnIdentityTakesItsTurn in the lane of its Conn: behind an OnConnect that runs, and not beside any other callback.
func TestOnIdentityTakesItsTurn(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
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
		h := newWatchingApp()
		h.connect = func(*Conn) error {
			defer enter("OnConnect")()
			entered <- "OnConnect"
			<-goOn
			return nil
		}
		h.identity = func(_ *Conn, _, now Identity) error {
			defer enter("OnIdentity " + now.SessionID)()
			entered <- now.SessionID
			<-goOn
			return nil
		}
		h.message = func(_ *Conn, m *Message) { defer enter("OnMessage " + m.Event())() }
		h.disconnect = func(*Conn, Reason) { defer enter("OnDisconnect")() }
		srv, _ := chatServer(t, h)
		client := dial(t, siotest.Serve(t, n, srv), transport, inSession("s"), asUser("ann"))
		client.SendConnect(chatNamespace, nil)
		require.Equal(t, "OnConnect", await(t, entered))
		rebind := func(session, now string) {
			require.NoError(t, srv.Rebind(t.Context(), session, Identity{SessionID: now, UserID: "ann"}))
			client.Engine.SetHeader(as(inSession(now), asUser("ann")))
		}

		rebind("s", "s1")
		rebind("s1", "s2")
		require.Empty(t, h.changes, "OnConnect has not returned")
		goOn <- struct{}{}
		socket, _ := client.AwaitConnect(chatNamespace)
		require.Equal(t, "s1", await(t, entered))
		socket.Emit("first")
		client.Barrier()
		rebind("s2", "s3")
		goOn <- struct{}{}
		require.Equal(t, "s2", await(t, entered))
		goOn <- struct{}{}
		require.Equal(t, "s3", await(t, entered))
		socket.Emit("second")
		client.Barrier()
		socket.Disconnect()
		client.Barrier()
		rebind("s3", "too late")
		goOn <- struct{}{}
		await(t, h.ended)
		shutdown(t, srv)

		require.Equal(t, []string{
			"OnConnect", "OnIdentity s1", "OnIdentity s2", "OnMessage first", "OnIdentity s3", "OnMessage second", "OnDisconnect",
		}, calls)
		require.Zero(t, inside.Load())
	})
}

// TestOnIdentityIsNotForWhoBeganAfter the change, nor for who was refused, nor where nothing has changed.
func TestOnIdentityIsNotForWhoBeganAfter(t *testing.T) {
	h := newWatchingApp()
	inside, goOn := make(chan struct{}), make(chan error)
	h.connect = func(*Conn) error {
		inside <- struct{}{}
		return <-goOn
	}
	srv, _ := chatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	ann := []string{inSession("s"), asUser("ann")}
	bare, refused := dial(t, site, "websocket", ann...), dial(t, site, "websocket", ann...)
	refused.SendConnect(chatNamespace, nil)
	await(t, inside)

	require.NoError(t, srv.Rebind(t.Context(), "s", Identity{SessionID: "t", UserID: "ann"}))

	goOn <- errTest
	_, refusal := refused.AwaitConnect(chatNamespace)
	require.NotNil(t, refusal)
	bare.SendConnect(chatNamespace, nil)
	await(t, inside)
	goOn <- nil
	require.Equal(t, "t", await(t, h.accepted).SessionID())
	require.NoError(t, srv.Rebind(t.Context(), "t", Identity{SessionID: "t", UserID: "ann"}))
	shutdown(t, srv)
	require.Empty(t, h.changes)
}

// TestOnIdentityAmongConnects: connections begin and end while their identity changes all the time. What each is told
// follows on from what it was, and nothing comes after its end.
func TestOnIdentityAmongConnects(t *testing.T) {
	type history struct {
		seen  Identity // by OnConnect, perhaps ahead of what it is told later
		told  []change
		ended bool
	}
	var mu sync.Mutex // guards histories
	histories := make(map[*Conn]*history)
	h := newWatchingApp()
	h.connect = func(c *Conn) error {
		mu.Lock()
		defer mu.Unlock()
		histories[c] = &history{seen: c.Identity()}
		return nil
	}
	told := make(chan struct{}, 1)
	h.identity = func(c *Conn, old, now Identity) error {
		<-h.changes
		mu.Lock()
		defer mu.Unlock()
		if histories[c].ended {
			t.Error("OnIdentity after OnDisconnect")
		}
		histories[c].told = append(histories[c].told, change{c, old, now})
		select {
		case told <- struct{}{}:
		default:
		}
		return nil
	}
	h.disconnect = func(c *Conn, _ Reason) {
		mu.Lock()
		defer mu.Unlock()
		histories[c].ended = true
	}
	srv, _ := chatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				if err := srv.Rebind(t.Context(), "s", Identity{SessionID: "s"}); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	for range rounds(1000) {
		client := dial(t, site, "websocket", inSession("s"), asUser("ann"))
		client.Connect(chatNamespace, nil)
		for range 5 {
			client.Connect(chatNamespace, nil) // takes the place of the one before
		}
		client.Close()
	}
	dial(t, site, "websocket", inSession("s"), asUser("ann")).Connect(chatNamespace, nil)
	await(t, told) // of this one at the latest
	close(stop)
	awaitClosed(t, stopped)
	shutdown(t, srv)

	some := 0
	for c, past := range histories {
		require.True(t, past.ended)
		some += len(past.told)
		known := []Identity{c.Identity()}
		for i, step := range past.told {
			known = append(known, step.old, step.now)
			if i > 0 {
				require.Equal(t, past.told[i-1].now, step.old)
			}
		}
		if len(past.told) > 0 {
			require.Contains(t, known, past.seen)
		}
	}
	require.NotZero(t, some)
}

// TestOnIdentityRefuses: the client is told, on that app alone, and what it sent before is not handled any more.
func TestOnIdentityRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"ClientError": {
			fmt.Errorf("secret: %w", ClientError{"not here", map[string]int{"level": 3}}),
			`{"code":4004,"reason":"identity refused","reconnect":false,"message":"not here","data":{"level":3}}`,
		},
		"any other error": {
			errTest,
			`{"code":4004,"reason":"identity refused","reconnect":false,"message":"internal error"}`,
		},
		"data that cannot be encoded": {
			ClientError{"not here", func() {}},
			`{"code":4004,"reason":"identity refused","reconnect":false,"message":"not here"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				entered, goOn := make(chan struct{}), make(chan struct{})
				h, news := newWatchingApp(), newApp()
				h.identity = func(*Conn, Identity, Identity) error {
					entered <- struct{}{}
					<-goOn
					return test.err
				}
				h.message = func(_ *Conn, m *Message) { t.Error("handled", m.Event()) }
				srv, ch := chatServer(t, h)
				register(t, srv, "News", news)
				client := dial(t, siotest.Serve(t, n, srv), transport, inSession("s"), asUser("ann"))
				socket, other := client.Connect(chatNamespace, nil), client.Connect("/NewsSocket", nil)
				conn := await(t, h.accepted)

				require.NoError(t, srv.Rebind(t.Context(), "s", Identity{SessionID: "t", UserID: "ann"}))
				client.Engine.SetHeader(as(inSession("t"), asUser("ann")))

				await(t, entered)
				socket.Emit("too late")
				client.Barrier()
				close(goOn)
				event := socket.Next()
				require.Equal(t, RevokedEvent, event.Name)
				require.JSONEq(t, "["+test.want+"]", event.JSON())
				require.Equal(t, siotest.ReasonServerDisconnect, socket.AwaitDisconnected())
				require.Equal(t, ending{conn, ReasonIdentityRefused}, await(t, h.ended))
				require.Zero(t, ch.Len())
				require.NoError(t, srv.LoggedInSessions().Get("ann").Emit("still here"))
				other.Expect("still here")
				client.SendConnect(chatNamespace, nil)
				require.Equal(t, "ann", await(t, h.accepted).UserID(), "its OnConnect decides whether it may come back")
			})
		})
	}
}

// TestOnIdentityPanics costs the connection it happens on, and no other.
func TestOnIdentityPanics(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newWatchingApp()
		h.identity = func(c *Conn, _, _ Identity) error {
			if c.Get("bad") != nil {
				panic("of the test")
			}
			return nil
		}
		srv, ch := chatServer(t, h)
		site := siotest.Serve(t, n, srv)
		ann := []string{inSession("s"), asUser("ann")}
		client, tab := dial(t, site, transport, ann...), dial(t, site, transport, ann...)
		client.Connect(chatNamespace, nil)
		bad := await(t, h.accepted)
		bad.Set("bad", true)
		good := tab.Connect(chatNamespace, nil)

		require.NoError(t, srv.Rebind(t.Context(), "s", Identity{SessionID: "t", UserID: "ann"}))
		tab.Engine.SetHeader(as(inSession("t"), asUser("ann")))

		client.Engine.AwaitClosed()
		require.Equal(t, ending{bad, ReasonHandlerPanic}, await(t, h.ended))
		require.NoError(t, srv.LoggedInSessions().Get("ann").Emit("note"))
		good.Expect("note")
		require.Equal(t, 1, ch.Len())
	})
}

// TestOnIdentityActs: a handler may change and revoke identities, leave rooms and emit, without a deadlock.
func TestOnIdentityActs(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newWatchingApp()
		h.connect = func(c *Conn) error { return c.Join("room") }
		srv, ch := chatServer(t, h)
		h.identity = func(c *Conn, _, now Identity) error {
			c.Leave("room")
			if err := c.Emit("you are", now.SessionID); err != nil {
				return err
			}
			switch now.SessionID {
			case "t":
				return srv.Rebind(t.Context(), "t", Identity{SessionID: "u", UserID: "ann"})
			case "u":
				return srv.LoggedInSessions().Get("ann").Revoke(t.Context(), Revocation{})
			}
			return nil
		}
		client := dial(t, siotest.Serve(t, n, srv), transport, inSession("s"), asUser("ann"))
		socket := client.Connect(chatNamespace, nil)

		require.NoError(t, srv.Rebind(t.Context(), "s", Identity{SessionID: "t", UserID: "ann"}))

		require.Equal(t, "t", await(t, h.changes).now.SessionID)
		require.Equal(t, "u", await(t, h.changes).now.SessionID)
		client.Engine.SetHeader(as(inSession("u"), asUser("ann")))
		socket.Expect("you are", "t")
		socket.Expect("you are", "u")
		socket.Expect(RevokedEvent, notice(CodeRevoked, ReasonRevoked, false))
		require.Equal(t, ReasonRevoked, await(t, h.ended).reason)
		requireEmpty(t, srv, ch)
		shutdown(t, srv)
		require.Empty(t, h.changes)
	})
}

// notice is what a RevokedEvent says.
func notice(code int, reason Reason, reconnect bool) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"code":%d,"reason":%q,"reconnect":%t}`, code, reason, reconnect))
}
