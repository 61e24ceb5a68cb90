package admission

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// A request with a valid Engine.IO sid and another user's cookies gets exactly
// the answer of an unknown sid, and does not affect the connection.
func TestSIDOfAnotherUser(t *testing.T) {
	for name, cookies := range map[string][]string{
		"no cookies":    nil,
		"other session": {e2e.SessionCookie("s2"), e2e.LoginCookie("mallory")},
		"other user":    {e2e.SessionCookie("s1"), e2e.LoginCookie("mallory")},
		"logged out":    {e2e.SessionCookie("s1")},
		"no session":    {e2e.LoginCookie("ann")},
	} {
		t.Run(name, func(t *testing.T) {
			e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				h := e2e.NewApp()
				srv, _ := e2e.ChatServer(t, h)
				site := siotest.Serve(t, n, srv)
				client := e2e.Dial(t, site, transport, e2e.SessionCookie("s1"), e2e.LoginCookie("ann"))
				socket := client.Connect(e2e.ChatNamespace, nil)
				sid := client.Engine.Handshake.SID
				require.NotContains(t, socket.SID(), sid)
				require.NotContains(t, sid, socket.SID())
				for _, request := range []struct{ method, transport string }{
					{http.MethodGet, "polling"},
					{http.MethodPost, "polling"},
					{http.MethodGet, "websocket"},
				} {
					url := client.Engine.URL(request.transport)
					unknown := strings.Replace(url, sid, strings.Repeat("A", len(sid)), 1)

					got := e2e.Do(t, site, request.method, url, e2e.CookieHeader(cookies...), "1")

					require.Equal(t, http.StatusBadRequest, got.Status)
					require.Equal(t, `{"code":1,"message":"Session ID unknown"}`, got.Body)
					require.Equal(t, e2e.Do(t, site, request.method, unknown, e2e.CookieHeader(cookies...), "1"), got)
				}
				socket.Emit("still here")
				socket.ExpectNothing()
				require.Empty(t, h.Ended)
			})
		})
	}
}

// RequireSession refuses clients without a session. The log contains no cookie.
func TestRequireSession(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		var log e2e.Log
		srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), RequireSession: true, Logger: log.Logger()})
		e2e.Register(t, srv, "Chat", e2e.NewApp())
		site := siotest.Serve(t, siotest.TCP, srv)
		for _, cookies := range [][]string{nil, {"session_id=forged"}, {e2e.LoginCookie("u")}} {
			_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: e2e.CookieHeader(cookies...)})

			var refused *siotest.HTTPError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, http.StatusForbidden, refused.Status)
			require.Equal(t, `{"code":4,"message":"Forbidden"}`, refused.Body)
		}
		require.Contains(t, log.String(), `msg="mojo: a cookie is invalid" faults=forged`)
		require.NotContains(t, log.String(), "session_id=")
		e2e.Dial(t, site, transport, e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
	}
}

// If Identify panics, the request is refused, the panic is counted and logged,
// and no limit counts the connection.
func TestIdentifyPanics(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var log e2e.Log
		var panics atomic.Bool
		srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger(), Limits: mojo.Limits{MaxConns: 1, MaxUnconnected: 1}, Identify: func(*http.Request) (mojo.Identity, error) {
			if panics.Load() {
				panic("no database")
			}
			return mojo.Identity{SessionID: "s"}, nil
		}})
		e2e.Register(t, srv, "Chat", e2e.NewApp())
		site := siotest.Serve(t, n, srv)
		panics.Store(true)
		for i := range 3 {
			_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport})
			var refusal *siotest.HTTPError
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, http.StatusInternalServerError, refusal.Status)
			require.NotContains(t, refusal.Error(), "database")
			require.EqualValues(t, i+1, srv.Stats().HandlerPanics)
		}
		require.Contains(t, log.String(), `msg="mojo: a handler panicked" callback=Identify panic="no database" stack=`)
		require.Equal(t, uint64(3), srv.Stats().Refused["panic in Identify"])

		panics.Store(false)
		client := siotest.Dial(t, site, siotest.Options{Transport: transport})
		client.Connect(e2e.ChatNamespace, nil) // no limit counts the refused requests
		panics.Store(true)
		other := e2e.Do(t, site, http.MethodGet, client.Engine.URL("polling"), nil, "")
		require.Equal(t, `{"code":1,"message":"Session ID unknown"}`, other.Body)
		require.Greater(t, srv.Stats().HandlerPanics, uint64(3)) // a poll of the client may have panicked as well
	})
}

// With Options.Identify the Server reads no cookies. It calls Identify for the
// handshake and for each later request.
func TestIdentify(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var log e2e.Log
		var calls atomic.Int32
		srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger(), Identify: func(r *http.Request) (mojo.Identity, error) {
			calls.Add(1)
			who := r.Header.Get("X-Who")
			if who == "evil" {
				return mojo.Identity{}, errors.New("is evil")
			}
			return mojo.Identity{SessionID: "session of " + who, UserID: who}, nil
		}})
		h := e2e.NewApp()
		e2e.Register(t, srv, "Chat", h)
		site := siotest.Serve(t, n, srv)
		header := http.Header{"X-Who": {"ann"}}

		client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: header})
		client.Connect(e2e.ChatNamespace, nil)

		require.Equal(t, mojo.Identity{SessionID: "session of ann", UserID: "ann"}, e2e.Await(t, h.Accepted).Identity())
		require.Equal(t, []string{"ann"}, e2e.SessionIDs(srv.LoggedInSessions()))
		if transport != "websocket" {
			require.Greater(t, calls.Load(), int32(1))
		}
		other := e2e.Do(t, site, http.MethodGet, client.Engine.URL("polling"), http.Header{"X-Who": {"bob"}}, "")
		require.Equal(t, `{"code":1,"message":"Session ID unknown"}`, other.Body)
		other = e2e.Do(t, site, http.MethodGet, client.Engine.URL("polling"), http.Header{"X-Who": {"evil"}}, "")
		require.Equal(t, `{"code":1,"message":"Session ID unknown"}`, other.Body)
		refused := e2e.Do(t, site, http.MethodGet, site.URL+"/socket.io/?EIO=4&transport=polling", http.Header{"X-Who": {"evil"}}, "")
		require.Equal(t, http.StatusForbidden, refused.Status)
		require.NotContains(t, refused.Body, "evil")
		require.Contains(t, log.String(), `msg="mojo: Options.Identify refused a request" error="is evil"`)

		require.EqualError(t, srv.LogIn(nil, cookietest.Request(), "ann"), "mojo: Options.Cookies is not set, so there are no cookies to write")
		require.EqualError(t, srv.LogOut(nil, cookietest.Request()), "mojo: Options.Cookies is not set, so there are no cookies to write")
	})
}

// Without Options.Cookies and Options.Identify no client has a session.
func TestWithoutIdentity(t *testing.T) {
	h := e2e.NewApp()
	srv := e2e.NewServer(t, mojo.Options{Origins: []string{"*"}})
	ch := e2e.Register(t, srv, "Chat", h)
	site := siotest.Serve(t, siotest.Memory, srv)
	header := e2e.CookieHeader(e2e.SessionCookie("s"))
	header.Set("Origin", "https://any.example")

	siotest.Dial(t, site, siotest.Options{Header: header}).Connect(e2e.ChatNamespace, nil)

	require.Equal(t, mojo.Identity{}, e2e.Await(t, h.Accepted).Identity())
	require.Zero(t, srv.CurrentSessions().Len())
	require.Equal(t, 1, ch.Len())
	require.Equal(t, mojo.Identity{}, srv.Identity(cookietest.Request(e2e.SessionCookie("s"))))
	require.Error(t, srv.LogOut(nil, cookietest.Request()))
	next := http.NotFoundHandler()
	require.NotNil(t, srv.EnsureSession(next))
}
