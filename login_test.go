package mojo

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

	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/socketio"
)

// loginSite is a site with the apps Chat and News, and pages to log in and out.
func loginSite(t testing.TB, n siotest.Network, h SocketHandler) (*Server, *siotest.Site) {
	t.Helper()
	srv, _ := chatServer(t, h)
	register(t, srv, "News", h)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if err := srv.LogIn(w, r, r.FormValue("user")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		who(srv, w, r)
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := srv.LogOut(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		who(srv, w, r)
	})
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) { who(srv, w, r) })
	return srv, siotest.Serve(t, n, srv.EnsureSession(mux))
}

// who answers who made a request: session and user, separated by a space.
func who(srv *Server, w http.ResponseWriter, r *http.Request) {
	id := srv.Identity(r)
	_, _ = fmt.Fprint(w, id.SessionID, " ", id.UserID)
}

// whoIs visits a page and returns what who has answered.
func (b *browser) whoIs(path string) (session, user string) {
	b.t.Helper()
	session, user, _ = strings.Cut(b.visit(path), " ")
	return session, user
}

// TestLogInAndOut: a browser that gets a session, logs in, as another, and out. Its connections stay, in every tab and
// on every app, and are each time reachable under what they are now and no more under what they were.
func TestLogInAndOut(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		srv, site := loginSite(t, n, h)
		b := newBrowser(t, site)
		old, _ := b.whoIs("/who")
		require.NotEmpty(t, old)
		bystander := dial(t, site, transport, inSession("s2"), asUser("cleo")).Connect(chatNamespace, nil)
		await(t, h.accepted)
		client, tab := b.dial(transport), b.dial(transport)
		sockets := []*siotest.Socket{
			client.Connect(chatNamespace, nil), client.Connect("/NewsSocket", nil), tab.Connect(chatNamespace, nil),
		}
		conns := []*Conn{await(t, h.accepted), await(t, h.accepted), await(t, h.accepted)}

		before := ""
		for _, step := range []struct{ path, user string }{
			{"/login?user=ann", "ann"},
			{"/login?user=bob", "bob"},
			{"/logout", ""},
		} {
			stale := b.header()

			now, user := b.whoIs(step.path)

			require.NotEqual(t, old, now)
			require.Equal(t, step.user, user)
			client.Engine.SetHeader(b.header())
			tab.Engine.SetHeader(b.header())
			if step.user != "" {
				for _, conn := range conns {
					require.Empty(t, conn.UserID(), "nobody without a proof")
				}
				follow(t, site, b.header(), sockets...)
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
			late.Connect(chatNamespace, nil).ExpectNothing()
			require.Equal(t, Identity{}, await(t, h.accepted).Identity())
			late.Close()
			await(t, h.ended)
			require.Equal(t, Identity{}, srv.Identity(cookieRequest(stale.Get("Cookie"))))
			old, before = now, step.user
		}
		bystander.ExpectNothing()
		require.Empty(t, h.ended)
	})
}

// TestLogInReachesPendingConnections: those that are on no app yet, and those whose OnConnect still runs, too, so that
// nobody comes in late under what the browser was.
func TestLogInReachesPendingConnections(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		inside, goOn := make(chan *Conn), make(chan struct{})
		h := newApp()
		h.connect = func(c *Conn) error {
			inside <- c
			<-goOn
			return nil
		}
		srv, ch := chatServer(t, h)
		site := siotest.Serve(t, n, srv)
		bare := dial(t, site, transport, inSession("s")) // on no app yet
		client := dial(t, site, transport, inSession("s"))
		client.SendConnect(chatNamespace, nil)
		conn := await(t, inside)
		require.Equal(t, "s", conn.SessionID())

		w := httptest.NewRecorder()
		require.NoError(t, srv.LogIn(w, cookieRequest(inSession("s")), "ann"))

		require.Equal(t, Identity{}, conn.Identity())
		require.False(t, srv.LoggedInSessions().Has("ann"), "nobody is connected yet")
		bare.SendConnect(chatNamespace, nil)
		require.Equal(t, Identity{}, await(t, inside).Identity())
		close(goOn)
		for _, c := range []*siotest.Client{client, bare} {
			socket, refusal := c.AwaitConnect(chatNamespace)
			require.Nil(t, refusal)
			require.NoError(t, srv.LoggedInSessions().Get("ann").Emit("note"))
			value := proofOf(t, socket)
			c.Engine.SetHeader(returned(w).Header)
			prove(t, site, returned(w).Header, value)
			socket.Expect("note")
		}
		require.False(t, srv.CurrentSessions().Has("s"))
		require.Equal(t, 2, ch.LoggedInSessions().Get("ann").Len())
	})
}

// TestOldCookiesOfALiveConnection count for it until the new ones are seen, and for 30 seconds at most; those of
// others do not.
func TestOldCookiesOfALiveConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _ := chatServer(t, newApp())
		site := siotest.Serve(t, siotest.Memory, srv)
		begin := func() (*siotest.Socket, *siotest.Engine, http.Header, http.Header) {
			session := inSession(rand.Text())
			client := dial(t, site, "polling", session)
			w := httptest.NewRecorder()
			socket := client.Connect(chatNamespace, nil)
			require.NoError(t, srv.LogIn(w, cookieRequest(session), "ann"))
			return socket, client.Engine, as(session), returned(w).Header
		}

		_, engine, _, _ := begin() // goes on with the old ones
		engine.AwaitClosed()

		socket, engine, old, now := begin() // has the new ones and, in another tab perhaps, the old ones
		engine.SetHeader(now)
		socket.Barrier()
		engine.SetHeader(old)
		socket.Emit("too late")
		requireRefused(t, engine)

		socket, engine, _, _ = begin()
		engine.SetHeader(as(inSession("other"), asUser("ann")))
		socket.Emit("not mine")
		requireRefused(t, engine)
	})
}

// requireRefused requires that a request of the connection was answered as one for an unknown session.
func requireRefused(t testing.TB, e *siotest.Engine) {
	t.Helper()
	e.AwaitClosed()
	require.ErrorContains(t, e.Err(), "Session ID unknown")
}

// TestHandshakesDuringLogOut: whatever the order, no connection is left under the old session or the user.
func TestHandshakesDuringLogOut(t *testing.T) {
	srv, ch := chatServer(t, newApp())
	site := siotest.Serve(t, siotest.Memory, srv)
	for i := range 100 {
		session := fmt.Sprint("s", i)
		header := as(inSession(session), loginCookie(cookieTestKey, fmt.Sprintf(`["u",%q]`, session), 0))
		done := make(chan struct{})
		go func() {
			defer close(done)
			client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transports[i%2], Header: header})
			if err == nil {
				client.SendConnect(chatNamespace, nil)
			}
		}()
		r := cookieRequest(header.Get("Cookie"))
		require.NoError(t, srv.LogOut(httptest.NewRecorder(), r))
		<-done

		client := siotest.Dial(t, site, siotest.Options{Transport: "websocket", Header: header})
		client.Connect(chatNamespace, nil)
		require.False(t, srv.CurrentSessions().Has(session))
	}
	require.Zero(t, srv.LoggedInSessions().Len())
	require.Zero(t, ch.LoggedInSessions().Len())
}

// TestRetiredCookiesStayNobodys until the last of them has expired, even where the login was written long before the
// session.
func TestRetiredCookiesStayNobodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _ := chatServer(t, newApp())
		session, login := inSession("s"), loginCookie(cookieTestKey, `"u"`, cookieTestMaxAge-time.Minute)
		require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookieRequest(session, login)))

		time.Sleep(cookieTestMaxAge - time.Second)

		require.Equal(t, Identity{}, srv.Identity(cookieRequest(session)))
	})
}

// TestTwoLogInsAtOnce, as on a double click: both requests come with the same cookies. The browser keeps what the
// second has set, and nothing stays under what the first has: connections move along if they are the same user's. With
// an id that is known from before a login nobody else gets hold of them: they are closed, and come back as they are.
func TestTwoLogInsAtOnce(t *testing.T) {
	for user, moves := range map[string]bool{"ann": true, "eve": false, "": false} {
		srv, _ := chatServer(t, newApp())
		site := siotest.Serve(t, siotest.Memory, srv)
		request := cookieRequest(inSession("s"))
		client := dial(t, site, "websocket", inSession("s"))
		socket := client.Connect(chatNamespace, nil)
		first, second := httptest.NewRecorder(), httptest.NewRecorder()
		require.NoError(t, srv.LogIn(first, request, "ann"))
		follow(t, site, returned(first).Header, socket)
		require.True(t, srv.LoggedInSessions().Has("ann"))

		if user == "" {
			require.NoError(t, srv.LogOut(second, request))
		} else {
			require.NoError(t, srv.LogIn(second, request, user))
		}

		now := srv.Identity(returned(second))
		require.Equal(t, user, now.UserID)
		require.Equal(t, Identity{}, srv.Identity(returned(first)))
		require.Equal(t, moves, srv.CurrentSessions().Has(now.SessionID))
		require.Equal(t, moves, srv.LoggedInSessions().Has("ann"))
		if moves {
			socket.ExpectNothing()
		} else {
			require.Equal(t, siotest.ReasonCloseFrame, client.Engine.AwaitClosed())
		}
	}
}

// TestBackBeforeTheCookies: a tab that comes back with its old cookies, because its browser has not stored the new
// ones yet, is nobody and is sent away again; later it may stay, as nobody.
func TestBackBeforeTheCookies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, ch := chatServer(t, newApp())
		site := siotest.Serve(t, siotest.Memory, srv)
		old := []string{inSession("s"), asUser("u")}
		require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookieRequest(old...)))

		early := dial(t, site, "websocket", old...)
		early.Connect(chatNamespace, nil)
		require.Zero(t, srv.CurrentSessions().Len()+srv.LoggedInSessions().Len())
		require.Equal(t, siotest.ReasonCloseFrame, early.Engine.AwaitClosed())

		time.Sleep(socketio.Settling)
		late := dial(t, site, "websocket", old...).Connect(chatNamespace, nil)
		time.Sleep(5 * time.Second)
		late.Barrier()
		require.Equal(t, 1, ch.Len())
		require.Zero(t, srv.CurrentSessions().Len()+srv.LoggedInSessions().Len())
	})
}

// TestLogInRefuses and changes nothing.
func TestLogInRefuses(t *testing.T) {
	for name, test := range map[string]struct{ user, want string }{
		"empty":     {"", "mojo: LogIn: the user id is empty; LogOut logs out"},
		"too long":  {strings.Repeat("x", 5000), ""},
		"not UTF-8": {"\xff", "mojo: the user id is not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, _ := chatServer(t, newApp())
			site := siotest.Serve(t, siotest.Memory, srv)
			socket := dial(t, site, "websocket", inSession("s")).Connect(chatNamespace, nil)
			w := httptest.NewRecorder()

			err := srv.LogIn(w, cookieRequest(inSession("s")), test.user)

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

// TestLogInBindsTheSession: the login is worth nothing with another session.
func TestLogInBindsTheSession(t *testing.T) {
	srv, _ := chatServer(t, newApp())
	w := httptest.NewRecorder()
	require.NoError(t, srv.LogIn(w, cookieRequest(), "ann"))
	r := returned(w)
	require.Equal(t, "ann", srv.Identity(r).UserID)
	login, err := r.Cookie("logged_in")
	require.NoError(t, err)

	require.Equal(t, "", srv.Identity(cookieRequest(inSession("s"), login.String())).UserID)
	require.Equal(t, Identity{}, srv.Identity(cookieRequest(login.String())))
}

// TestLogInOfALoginAlone closes the connections that came with that login and no session.
func TestLogInOfALoginAlone(t *testing.T) {
	h := newApp()
	srv, _ := chatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	alone := dial(t, site, "websocket", asUser("u"))
	alone.Connect(chatNamespace, nil)
	session := dial(t, site, "websocket", asUser("u"), inSession("s")).Connect(chatNamespace, nil)

	require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookieRequest(asUser("u"))))

	alone.Engine.AwaitClosed()
	session.ExpectNothing()
}
