package identity

import (
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

// EnsureSession gives a session to a visitor without one, in the answer to the
// first request and in no other.
func TestEnsureSession(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		_, site := e2e.LoginSite(t, n, e2e.NewApp())
		b := e2e.NewBrowser(t, site)

		first, _ := b.WhoIs("/who")

		require.Len(t, first, 43)
		require.Len(t, b.Cookies(), 1)
		second, _ := b.WhoIs("/who")
		require.Equal(t, first, second)
		b.SetCookie("session_id=forged")
		third, _ := b.WhoIs("/who")
		require.NotContains(t, []string{"", "forged", first}, third)
		require.NotEqual(t, "forged", b.Cookies()["session_id"])
	})
}

// EnsureSession around the Server sets no cookie in the Server's own answers. A
// connection without a session gets none.
func TestEnsureSessionSetsNoCookieInServerAnswers(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		srv, site := e2e.LoginSite(t, n, h)
		client := e2e.Dial(t, site, transport)
		client.Connect(e2e.ChatNamespace, nil)
		require.Equal(t, "", e2e.Await(t, h.Accepted).SessionID())
		require.NotContains(t, client.Engine.Response, "Set-Cookie")
		e2e.RequireEmptyViews(t, srv)

		for _, url := range []string{client.Engine.URL("polling"), site.URL + "/socket.io/?EIO=4&transport=polling", site.URL + "/socket.io/"} {
			for _, cookies := range [][]string{{"session_id=forged"}, {e2e.SessionCookie("a"), e2e.SessionCookie("b")}} {
				got := e2e.Do(t, site, http.MethodPost, url, e2e.CookieHeader(cookies...), "4")
				require.NotContains(t, got.Header, "Set-Cookie")
			}
		}
	})
}

// EnsureSession keeps the cookies that other handlers set in answers of the
// Server.
func TestEnsureSessionKeepsOtherCookies(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{Domain: "example.com"})})
	csrf := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Set-Cookie", "csrf=1")
			next.ServeHTTP(w, r)
		})
	}
	w := httptest.NewRecorder()
	r := cookietest.Request("logged_in=a", "logged_in=b") // the answer of a page would remove them

	csrf(srv.EnsureSession(csrf(srv))).ServeHTTP(w, r)

	require.Equal(t, []string{"csrf=1", "csrf=1"}, w.Header()["Set-Cookie"])
}

// If EnsureSession and LogIn change one response, its only session cookie is
// that of LogIn.
func TestLogInAfterEnsureSession(t *testing.T) {
	srv, _ := e2e.ChatServer(t, e2e.NewApp())
	var fresh mojo.Identity
	h := srv.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fresh = srv.Identity(r)
		require.NoError(t, srv.LogIn(w, r, "ann"))
		require.Equal(t, "ann", srv.Identity(r).UserID)
		require.NotEqual(t, fresh.SessionID, srv.Identity(r).SessionID)
	}))
	w := httptest.NewRecorder()

	h.ServeHTTP(w, cookietest.Request())

	require.Len(t, w.Header()["Set-Cookie"], 2)
	id := srv.Identity(cookietest.NextRequest(w))
	require.Equal(t, "ann", id.UserID)
	require.NotEqual(t, fresh.SessionID, id.SessionID)
	require.Equal(t, fresh.SessionID, srv.Identity(cookietest.Request(e2e.SessionCookie(fresh.SessionID))).SessionID, "no browser has received it, so it is not given up")
}

// If LogIn and LogOut change one response, the browser is logged out.
func TestLogInThenOut(t *testing.T) {
	srv, _ := e2e.ChatServer(t, e2e.NewApp())
	h := srv.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, srv.LogIn(w, r, "ann"))
		require.NoError(t, srv.LogOut(w, r))
		require.Equal(t, "", srv.Identity(r).UserID)
	}))
	w := httptest.NewRecorder()

	h.ServeHTTP(w, cookietest.Request(e2e.SessionCookie("s")))

	id := srv.Identity(cookietest.NextRequest(w))
	require.Equal(t, "", id.UserID)
	require.NotContains(t, []string{"", "s"}, id.SessionID)
}

// Answers to requests that the browser sent before it received the cookies of
// LogOut do not replace these cookies. A browser that never received them gets
// a session later.
func TestEnsureSessionAfterLogOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _ := e2e.ChatServer(t, e2e.NewApp())
		var id mojo.Identity
		h := srv.EnsureSession(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { id = srv.Identity(r) }))
		old := []string{e2e.SessionCookie("s"), e2e.LoginCookie("u")}
		require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookietest.Request(old...)))

		w := httptest.NewRecorder()
		h.ServeHTTP(w, cookietest.Request(old...))
		require.Equal(t, mojo.Identity{}, id)
		require.NotContains(t, w.Header(), "Set-Cookie")

		time.Sleep(hub.CookieDelay)
		h.ServeHTTP(w, cookietest.Request(old...))
		require.NotContains(t, []string{"", "s"}, id.SessionID)
		require.Equal(t, "", id.UserID)
		require.True(t, strings.HasPrefix(w.Header().Get("Set-Cookie"), "session_id="))
	})
}

// Two Servers with EnsureSession around each other keep their identities apart.
func TestTwoServers(t *testing.T) {
	one, _ := e2e.ChatServer(t, e2e.NewApp())
	two := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{SessionName: "sid2", LoginName: "login2"})})
	var first, second mojo.Identity
	h := one.EnsureSession(two.EnsureSession(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		first, second = one.Identity(r), two.Identity(r)
	})))

	h.ServeHTTP(httptest.NewRecorder(), cookietest.Request(e2e.SessionCookie("s")))

	require.Equal(t, "s", first.SessionID)
	require.NotContains(t, []string{"", "s"}, second.SessionID)
}
