package mojo

import (
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

// TestLogInAndOut: a browser that gets a session, logs in, and out. Each time its connections are closed by their
// transport and come back under what it is now; its old cookies are nobody's.
func TestLogInAndOut(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		srv, site := loginSite(t, n, h)
		b := newBrowser(t, site)
		old, _ := b.whoIs("/who")
		require.NotEmpty(t, old)
		bystander := dial(t, site, transport, inSession("s2"), asUser("ann")).Connect(chatNamespace, nil)
		await(t, h.accepted)

		for _, step := range []struct{ path, user string }{
			{"/login?user=ann", "ann"},
			{"/login?user=bob", "bob"},
			{"/logout", ""},
		} {
			client := b.dial(transport)
			chat, news := client.Connect(chatNamespace, nil), client.Connect("/NewsSocket", nil)
			require.Equal(t, old, await(t, h.accepted).SessionID())
			await(t, h.accepted)
			before := b.header()

			now, user := b.whoIs(step.path)

			require.NotEqual(t, old, now)
			require.Equal(t, step.user, user)
			require.Equal(t, ReasonIdentityChanged, await(t, h.ended).reason)
			require.Equal(t, ReasonIdentityChanged, await(t, h.ended).reason)
			client.Engine.AwaitClosed()
			require.NotEqual(t, siotest.ReasonServerDisconnect, chat.Reason())
			require.NotEqual(t, siotest.ReasonServerDisconnect, news.Reason())
			require.False(t, srv.CurrentSessions().Has(old))
			session, user := b.whoIs("/who")
			require.Equal(t, now+" "+step.user, session+" "+user)

			returned := b.dial(transport)
			returned.Connect(chatNamespace, nil)
			conn := await(t, h.accepted)
			require.Equal(t, now+" "+step.user, conn.SessionID()+" "+conn.UserID())
			require.True(t, srv.CurrentSessions().Has(now))
			returned.Close()
			await(t, h.ended)

			stale := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: before})
			stale.Connect(chatNamespace, nil).ExpectNothing()
			require.Equal(t, Identity{}, await(t, h.accepted).Identity())
			stale.Close()
			await(t, h.ended)
			r := cookieRequest(before.Get("Cookie"))
			require.Equal(t, Identity{}, srv.Identity(r))
			old = now
		}
		bystander.ExpectNothing()
		require.Empty(t, h.ended)
	})
}

// TestLogInClosesPendingConnections: those whose OnConnect still runs, too, so that nobody comes in late under what
// the browser was.
func TestLogInClosesPendingConnections(t *testing.T) {
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

		require.NoError(t, srv.LogIn(httptest.NewRecorder(), cookieRequest(inSession("s")), "ann"))

		client.Engine.AwaitClosed()
		bare.Engine.AwaitClosed()
		awaitClosed(t, conn.Context().Done())
		close(goOn)
		require.Equal(t, ending{conn, ReasonIdentityChanged}, await(t, h.ended))
		requireEmpty(t, srv, ch)
	})
}

// TestHandshakesDuringLogOut: whatever the order, no connection is left under the old session.
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
	require.Zero(t, ch.CurrentSessions().Len())
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

// TestTwoLogInsAtOnce, as on a double click: both requests come with the same cookies, and a tab is back between
// them. The browser keeps what the second has set, and nothing stays under what the first has.
func TestTwoLogInsAtOnce(t *testing.T) {
	srv, _ := chatServer(t, newApp())
	site := siotest.Serve(t, siotest.Memory, srv)
	request := cookieRequest(inSession("s"))
	first, second := httptest.NewRecorder(), httptest.NewRecorder()
	require.NoError(t, srv.LogIn(first, request, "ann"))
	between := dial(t, site, "websocket", returned(first).Header["Cookie"]...)
	between.Connect(chatNamespace, nil)
	require.True(t, srv.LoggedInSessions().Has("ann"))

	require.NoError(t, srv.LogIn(second, request, "ann"))

	require.Equal(t, siotest.ReasonCloseFrame, between.Engine.AwaitClosed())
	require.Zero(t, srv.LoggedInSessions().Len())
	require.Equal(t, Identity{}, srv.Identity(returned(first)))
	require.Equal(t, "ann", srv.Identity(returned(second)).UserID)
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
