package mojo

import (
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

// TestEnsureSession gives a session to whoever has none, at once and once.
func TestEnsureSession(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		_, site := loginSite(t, n, newApp())
		b := newBrowser(t, site)

		first, _ := b.whoIs("/who")

		require.Len(t, first, 43)
		require.Len(t, b.cookies, 1)
		second, _ := b.whoIs("/who")
		require.Equal(t, first, second)
		b.cookies["session_id"] = "forged"
		third, _ := b.whoIs("/who")
		require.NotContains(t, []string{"", "forged", first}, third)
		require.NotEqual(t, "forged", b.cookies["session_id"])
	})
}

// TestEnsureSessionLeavesTheServerAlone, wrapped around everything: no answer to a client sets a cookie, and a
// session that was made for it is nobody's.
func TestEnsureSessionLeavesTheServerAlone(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		srv, site := loginSite(t, n, h)
		client := dial(t, site, transport)
		client.Connect(chatNamespace, nil)
		require.Equal(t, "", await(t, h.accepted).SessionID())
		require.NotContains(t, client.Engine.Response, "Set-Cookie")
		requireEmpty(t, srv)

		for _, url := range []string{client.Engine.URL("polling"), site.URL + "/socket.io/?EIO=4&transport=polling", site.URL + "/socket.io/"} {
			for _, cookies := range [][]string{{"session_id=forged"}, {inSession("a"), inSession("b")}} {
				got := ask(t, site, http.MethodPost, url, as(cookies...), "4")
				require.NotContains(t, got.header, "Set-Cookie")
			}
		}
	})
}

// TestEnsureSessionLeavesOtherCookies of a request to the Server where they are.
func TestEnsureSessionLeavesOtherCookies(t *testing.T) {
	srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{Domain: "example.com"})})
	csrf := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Set-Cookie", "csrf=1")
			next.ServeHTTP(w, r)
		})
	}
	w := httptest.NewRecorder()
	r := cookieRequest("logged_in=a", "logged_in=b") // duplicates, which a page's answer removes

	csrf(srv.EnsureSession(csrf(srv))).ServeHTTP(w, r)

	require.Equal(t, []string{"csrf=1", "csrf=1"}, w.Header()["Set-Cookie"])
}

// TestLogInAfterEnsureSession, in one response: there is one session cookie, that of the login.
func TestLogInAfterEnsureSession(t *testing.T) {
	srv, _ := chatServer(t, newApp())
	var fresh Identity
	h := srv.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fresh = srv.Identity(r)
		require.NoError(t, srv.LogIn(w, r, "ann"))
		require.Equal(t, "ann", srv.Identity(r).UserID)
		require.NotEqual(t, fresh.SessionID, srv.Identity(r).SessionID)
	}))
	w := httptest.NewRecorder()

	h.ServeHTTP(w, cookieRequest())

	require.Len(t, w.Header()["Set-Cookie"], 2)
	id := srv.Identity(returned(w))
	require.Equal(t, "ann", id.UserID)
	require.NotEqual(t, fresh.SessionID, id.SessionID)
	require.Equal(t, fresh.SessionID, srv.Identity(cookieRequest(inSession(fresh.SessionID))).SessionID, "nobody ever had it, so it is not given up")
}

// TestLogInThenOut, in one response: the browser ends logged out.
func TestLogInThenOut(t *testing.T) {
	srv, _ := chatServer(t, newApp())
	h := srv.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, srv.LogIn(w, r, "ann"))
		require.NoError(t, srv.LogOut(w, r))
		require.Equal(t, "", srv.Identity(r).UserID)
	}))
	w := httptest.NewRecorder()

	h.ServeHTTP(w, cookieRequest(inSession("s")))

	id := srv.Identity(returned(w))
	require.Equal(t, "", id.UserID)
	require.NotContains(t, []string{"", "s"}, id.SessionID)
}

// TestEnsureSessionAfterLogOut: requests that left the browser before its new cookies came must not replace them;
// a browser that never got them has a session again later.
func TestEnsureSessionAfterLogOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, _ := chatServer(t, newApp())
		var id Identity
		h := srv.EnsureSession(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { id = srv.Identity(r) }))
		old := []string{inSession("s"), asUser("u")}
		require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookieRequest(old...)))

		w := httptest.NewRecorder()
		h.ServeHTTP(w, cookieRequest(old...))
		require.Equal(t, Identity{}, id)
		require.NotContains(t, w.Header(), "Set-Cookie")

		time.Sleep(socketio.Settling)
		h.ServeHTTP(w, cookieRequest(old...))
		require.NotContains(t, []string{"", "s"}, id.SessionID)
		require.Equal(t, "", id.UserID)
		require.True(t, strings.HasPrefix(w.Header().Get("Set-Cookie"), "session_id="))
	})
}

// TestTwoServers below one another's EnsureSession do not take each other's identities for their own.
func TestTwoServers(t *testing.T) {
	one, _ := chatServer(t, newApp())
	two := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{SessionName: "sid2", LoginName: "login2"})})
	var first, second Identity
	h := one.EnsureSession(two.EnsureSession(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		first, second = one.Identity(r), two.Identity(r)
	})))

	h.ServeHTTP(httptest.NewRecorder(), cookieRequest(inSession("s")))

	require.Equal(t, "s", first.SessionID)
	require.NotContains(t, []string{"", "s"}, second.SessionID)
}
