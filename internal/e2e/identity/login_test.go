package identity

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/siotest"
)

// A browser receives a session, logs in, logs in as another user, and logs out.
// Its connections on every tab and app stay open. After each step only the new
// identity reaches them.
func TestLogInAndOut(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		srv, site := e2e.LoginSite(t, n, h)
		b := e2e.NewBrowser(t, site)
		old, _ := b.WhoIs("/who")
		require.NotEmpty(t, old)
		bystander := e2e.Dial(t, site, transport, e2e.SessionCookie("s2"), e2e.LoginCookie("cleo")).Connect(e2e.ChatNamespace, nil)
		e2e.Await(t, h.Accepted)
		client, tab := b.Dial(transport), b.Dial(transport)
		sockets := []*siotest.Socket{
			client.Connect(e2e.ChatNamespace, nil), client.Connect("/NewsSocket", nil), tab.Connect(e2e.ChatNamespace, nil),
		}
		conns := []*mojo.Conn{e2e.Await(t, h.Accepted), e2e.Await(t, h.Accepted), e2e.Await(t, h.Accepted)}

		before := ""
		for _, step := range []struct{ path, user string }{
			{"/login?user=ann", "ann"},
			{"/login?user=bob", "bob"},
			{"/logout", ""},
		} {
			stale := b.Header()

			now, user := b.WhoIs(step.path)

			require.NotEqual(t, old, now)
			require.Equal(t, step.user, user)
			if step.user != "" {
				for _, conn := range conns {
					require.Empty(t, conn.UserID(), "no user without a proof")
				}
			}
			client.Engine.SetHeader(b.Header()) // a poll with the new cookies is a proof
			tab.Engine.SetHeader(b.Header())
			if step.user != "" {
				e2e.FollowLogin(t, site, b.Header(), sockets...)
			}
			require.NoError(t, srv.LoggedInSessions().Get(before).Emit("to "+before))
			require.NoError(t, srv.CurrentSessions().Get(old).Emit("to the old session"))
			require.NoError(t, srv.CurrentSessions().Get(now).Emit("to the session"))
			if step.user != "" {
				require.NoError(t, srv.LoggedInSessions().Get(step.user).Emit("to "+step.user))
			}
			for i, socket := range sockets {
				socket.Expect("to the session")
				if step.user != "" {
					socket.Expect("to " + step.user)
				}
				socket.ExpectNothing()
				require.Equal(t, now+" "+step.user, conns[i].SessionID()+" "+conns[i].UserID())
			}
			require.Equal(t, 3, srv.CurrentSessions().Get(now).Len())
			require.False(t, srv.CurrentSessions().Has(old))
			require.False(t, srv.LoggedInSessions().Has(before))
			for _, socket := range sockets {
				socket.Barrier()
			}

			late := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: stale})
			late.Connect(e2e.ChatNamespace, nil).ExpectNothing()
			require.Equal(t, mojo.Identity{}, e2e.Await(t, h.Accepted).Identity())
			late.Close()
			e2e.Await(t, h.Ended)
			require.Equal(t, mojo.Identity{}, srv.Identity(cookietest.Request(stale.Get("Cookie"))))
			old, before = now, step.user
		}
		bystander.ExpectNothing()
		require.Empty(t, h.Ended)
	})
}

// LogIn also changes connections that are on no app yet and those whose
// OnConnect runs. None has the old identity later.
func TestLogInReachesPendingConnections(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		inside, goOn := make(chan *mojo.Conn), make(chan struct{})
		h := e2e.NewApp()
		h.Connect = func(c *mojo.Conn) error {
			inside <- c
			<-goOn
			return nil
		}
		srv, ch := e2e.ChatServer(t, h)
		site := siotest.Serve(t, n, srv)
		unconnected := e2e.Dial(t, site, transport, e2e.SessionCookie("s")) // on no app yet
		client := e2e.Dial(t, site, transport, e2e.SessionCookie("s"))
		client.SendConnect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, inside)
		require.Equal(t, "s", conn.SessionID())

		w := httptest.NewRecorder()
		require.NoError(t, srv.LogIn(w, cookietest.Request(e2e.SessionCookie("s")), "ann"))

		require.Equal(t, mojo.Identity{}, conn.Identity())
		require.False(t, srv.LoggedInSessions().Has("ann"), "no connection has the user yet")
		unconnected.SendConnect(e2e.ChatNamespace, nil)
		require.Equal(t, mojo.Identity{}, e2e.Await(t, inside).Identity())
		close(goOn)
		for _, c := range []*siotest.Client{client, unconnected} {
			socket, refusal := c.AwaitConnect(e2e.ChatNamespace)
			require.Nil(t, refusal)
			require.NoError(t, srv.LoggedInSessions().Get("ann").Emit("note"))
			value := e2e.ReadProof(t, socket)
			c.Engine.SetHeader(cookietest.NextRequest(w).Header)
			e2e.SendProof(t, site, cookietest.NextRequest(w).Header, value)
			socket.Expect("note")
		}
		require.False(t, srv.CurrentSessions().Has("s"))
		require.Equal(t, 2, ch.LoggedInSessions().Get("ann").Len())
	})
}

// After a login a connection may send the old cookies until it has sent the new
// ones, and for 30 seconds at most. Old cookies of other connections are
// refused.
func TestOldCookiesOfALiveConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _ := e2e.ChatServer(t, e2e.NewApp())
		site := siotest.Serve(t, siotest.Memory, srv)
		begin := func() (*siotest.Socket, *siotest.Engine, http.Header, http.Header) {
			session := e2e.SessionCookie(rand.Text())
			client := e2e.Dial(t, site, "polling", session)
			w := httptest.NewRecorder()
			socket := client.Connect(e2e.ChatNamespace, nil)
			require.NoError(t, srv.LogIn(w, cookietest.Request(session), "ann"))
			return socket, client.Engine, e2e.CookieHeader(session), cookietest.NextRequest(w).Header
		}

		_, engine, _, _ := begin() // sends the old cookies again
		engine.AwaitClosed()

		socket, engine, old, now := begin() // sends the new cookies, and then a tab that still has the old ones
		engine.SetHeader(now)
		socket.Barrier()
		engine.SetHeader(old)
		socket.Emit("too late")
		requireRefused(t, engine)

		socket, engine, _, _ = begin()
		engine.SetHeader(e2e.CookieHeader(e2e.SessionCookie("other"), e2e.LoginCookie("ann")))
		socket.Emit("not mine")
		requireRefused(t, engine)
	})
}

// requireRefused requires that the connection has ended because the server
// answered a request with "unknown session".
func requireRefused(t testing.TB, e *siotest.Engine) {
	t.Helper()
	e.AwaitClosed()
	require.ErrorContains(t, e.Err(), "Session ID unknown")
}

// After a handshake and a LogOut at the same time, no connection has the old
// session or the user.
func TestHandshakesDuringLogOut(t *testing.T) {
	srv, ch := e2e.ChatServer(t, e2e.NewApp())
	site := siotest.Serve(t, siotest.Memory, srv)
	for i := range 100 {
		session := fmt.Sprint("s", i)
		header := e2e.CookieHeader(e2e.SessionCookie(session), e2e.SignLogin(e2e.Key, fmt.Sprintf(`["u",%q]`, session), 0))
		done := make(chan struct{})
		go func() {
			defer close(done)
			client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: e2e.Transports[i%2], Header: header})
			if err == nil {
				client.SendConnect(e2e.ChatNamespace, nil)
			}
		}()
		r := cookietest.Request(header.Get("Cookie"))
		require.NoError(t, srv.LogOut(httptest.NewRecorder(), r))
		<-done

		client := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: header})
		client.Connect(e2e.ChatNamespace, nil)
		require.False(t, srv.CurrentSessions().Has(session))
	}
	require.Zero(t, srv.LoggedInSessions().Len())
	require.Zero(t, ch.LoggedInSessions().Len())
}

// After LogOut the old cookies give no identity, until the last of them has
// expired, even if the login was signed long before the session.
func TestOldCookiesGiveNoIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _ := e2e.ChatServer(t, e2e.NewApp())
		session, login := e2e.SessionCookie("s"), e2e.SignLogin(e2e.Key, `"u"`, e2e.MaxAge-time.Minute)
		require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookietest.Request(session, login)))

		time.Sleep(e2e.MaxAge - time.Second)

		require.Equal(t, mojo.Identity{}, srv.Identity(cookietest.Request(session)))
	})
}

// Two login requests with the same cookies, as by a double click: the browser
// keeps the cookies of the second. If both log in the same user, the
// connections get the new session. Otherwise the server closes them, so that no
// connection has a session id that was known before the login.
func TestTwoLogInsAtOnce(t *testing.T) {
	for user, sameUser := range map[string]bool{"ann": true, "eve": false, "": false} {
		srv, _ := e2e.ChatServer(t, e2e.NewApp())
		site := siotest.Serve(t, siotest.Memory, srv)
		request := cookietest.Request(e2e.SessionCookie("s"))
		client := e2e.Dial(t, site, "websocket", e2e.SessionCookie("s"))
		socket := client.Connect(e2e.ChatNamespace, nil)
		first, second := httptest.NewRecorder(), httptest.NewRecorder()
		require.NoError(t, srv.LogIn(first, request, "ann"))
		e2e.FollowLogin(t, site, cookietest.NextRequest(first).Header, socket)
		require.True(t, srv.LoggedInSessions().Has("ann"))

		if user == "" {
			require.NoError(t, srv.LogOut(second, request))
		} else {
			require.NoError(t, srv.LogIn(second, request, user))
		}

		now := srv.Identity(cookietest.NextRequest(second))
		require.Equal(t, user, now.UserID)
		require.Equal(t, mojo.Identity{}, srv.Identity(cookietest.NextRequest(first)))
		require.Equal(t, sameUser, srv.CurrentSessions().Has(now.SessionID))
		require.Equal(t, sameUser, srv.LoggedInSessions().Has("ann"))
		if sameUser {
			socket.ExpectNothing()
		} else {
			require.Equal(t, siotest.ReasonCloseFrame, client.Engine.AwaitClosed())
		}
	}
}

// A tab that reconnects with its old cookies, before the browser has stored the
// new ones, has no identity, and the server closes its connection. If it
// reconnects with them later, it stays connected without an identity.
func TestReconnectBeforeTheNewCookies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, ch := e2e.ChatServer(t, e2e.NewApp())
		site := siotest.Serve(t, siotest.Memory, srv)
		old := []string{e2e.SessionCookie("s"), e2e.LoginCookie("u")}
		require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookietest.Request(old...)))

		early := e2e.Dial(t, site, "websocket", old...)
		early.Connect(e2e.ChatNamespace, nil)
		require.Zero(t, srv.CurrentSessions().Len()+srv.LoggedInSessions().Len())
		require.Equal(t, siotest.ReasonCloseFrame, early.Engine.AwaitClosed())

		time.Sleep(hub.CookieDelay)
		late := e2e.Dial(t, site, "websocket", old...).Connect(e2e.ChatNamespace, nil)
		time.Sleep(5 * time.Second)
		late.Barrier()
		require.Equal(t, 1, ch.Len())
		require.Zero(t, srv.CurrentSessions().Len()+srv.LoggedInSessions().Len())
	})
}

// LogIn returns an error for an invalid user id, and changes nothing.
func TestLogInRefuses(t *testing.T) {
	for name, test := range map[string]struct{ user, want string }{
		"empty":     {"", "mojo: LogIn: the user id is empty; LogOut logs out"},
		"too long":  {strings.Repeat("x", 5000), ""},
		"not UTF-8": {"\xff", "mojo: the user id is not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, _ := e2e.ChatServer(t, e2e.NewApp())
			site := siotest.Serve(t, siotest.Memory, srv)
			socket := e2e.Dial(t, site, "websocket", e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
			w := httptest.NewRecorder()

			err := srv.LogIn(w, cookietest.Request(e2e.SessionCookie("s")), test.user)

			require.Error(t, err)
			if test.want != "" {
				require.EqualError(t, err, test.want)
			}
			require.Empty(t, w.Header())
			socket.ExpectNothing()
			require.True(t, srv.CurrentSessions().Has("s"))
		})
	}
}

// The login cookie of LogIn is valid only together with its session.
func TestLogInBindsTheSession(t *testing.T) {
	srv, _ := e2e.ChatServer(t, e2e.NewApp())
	w := httptest.NewRecorder()
	require.NoError(t, srv.LogIn(w, cookietest.Request(), "ann"))
	r := cookietest.NextRequest(w)
	require.Equal(t, "ann", srv.Identity(r).UserID)
	login, err := r.Cookie("logged_in")
	require.NoError(t, err)

	require.Equal(t, "", srv.Identity(cookietest.Request(e2e.SessionCookie("s"), login.String())).UserID)
	require.Equal(t, mojo.Identity{}, srv.Identity(cookietest.Request(login.String())))
}

// LogOut of a browser with a login cookie and no session closes the connections
// that have this login and no session. Connections with a session stay open.
func TestLogOutWithoutASession(t *testing.T) {
	h := e2e.NewApp()
	srv, _ := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	alone := e2e.Dial(t, site, "websocket", e2e.LoginCookie("u"))
	alone.Connect(e2e.ChatNamespace, nil)
	session := e2e.Dial(t, site, "websocket", e2e.LoginCookie("u"), e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)

	require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookietest.Request(e2e.LoginCookie("u"))))

	alone.Engine.AwaitClosed()
	session.ExpectNothing()
}
