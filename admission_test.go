package mojo

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// answered is what a server said, in full but for the date.
type answered struct {
	status int
	body   string
	header http.Header
}

// ask makes a request as it is; an upgrade to a WebSocket is asked for with the headers for it.
func ask(t testing.TB, site *siotest.Site, method, url string, header http.Header, body string) answered {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	for name, values := range header {
		r.Header[name] = values
		if name == "Host" {
			r.Host = values[0]
		}
	}
	if strings.Contains(url, "transport=websocket") {
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}
	resp, err := site.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	resp.Header.Del("Date")
	return answered{resp.StatusCode, string(text), resp.Header}
}

// TestSomebodyElsesSID: another user's cookies with a known Engine.IO sid get exactly the answer of an unknown one,
// and its owner notices nothing.
func TestSomebodyElsesSID(t *testing.T) {
	for name, cookies := range map[string][]string{
		"nobody":        nil,
		"other session": {inSession("s2"), asUser("mallory")},
		"other user":    {inSession("s1"), asUser("mallory")},
		"logged out":    {inSession("s1")},
		"no session":    {asUser("ann")},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				h := newApp()
				srv, _ := chatServer(t, h)
				site := siotest.Serve(t, n, srv)
				client := dial(t, site, transport, inSession("s1"), asUser("ann"))
				socket := client.Connect(chatNamespace, nil)
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

					got := ask(t, site, request.method, url, as(cookies...), "1")

					require.Equal(t, http.StatusBadRequest, got.status)
					require.Equal(t, `{"code":1,"message":"Session ID unknown"}`, got.body)
					require.Equal(t, ask(t, site, request.method, unknown, as(cookies...), "1"), got)
				}
				socket.Emit("still here")
				socket.ExpectNothing()
				require.Empty(t, h.ended)
			})
		})
	}
}

// TestOtherOrigins get nothing: no handshake, no request in a session of an owner, and no CORS header.
func TestOtherOrigins(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{}), Origins: []string{"https://friend.example"}})
		h := newApp()
		register(t, srv, "Chat", h)
		site := siotest.Serve(t, n, srv)
		mine := as(inSession("s"))
		client := siotest.Dial(t, site, siotest.Options{Header: mine})
		socket := client.Connect(chatNamespace, nil)
		url := client.Engine.URL("polling")
		urls := []struct{ method, url string }{
			{http.MethodGet, site.URL + "/socket.io/?EIO=4&transport=polling"},
			{http.MethodGet, site.URL + "/socket.io/?EIO=4&transport=websocket"},
			{http.MethodOptions, url},
			{http.MethodGet, url},
			{http.MethodPost, url},
			{http.MethodGet, client.Engine.URL("websocket")},
		}
		for _, origin := range []string{"https://evil.example", "null", site.URL + ".evil.example", "https://friend.example:8443", "http://friend.example", ""} {
			for _, u := range urls {
				header := mine.Clone()
				header.Set("Origin", origin)

				got := ask(t, site, u.method, u.url, header, "1")

				require.Equal(t, http.StatusForbidden, got.status, "%s %s", u.method, origin)
				for name := range got.header {
					require.False(t, strings.HasPrefix(name, "Access-Control-"), name)
				}
			}
		}
		socket.ExpectNothing()
		require.Empty(t, h.ended)

		for _, origin := range []string{site.URL, "https://friend.example"} {
			header := mine.Clone()
			header.Set("Origin", origin)
			siotest.Dial(t, site, siotest.Options{Header: header, Transport: "upgrade"}).Connect(chatNamespace, nil)
		}
	})
}

// TestRequireSession refuses who has none, and logs no cookie.
func TestRequireSession(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		var log journal
		srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{}), RequireSession: true, Logger: log.logger()})
		register(t, srv, "Chat", newApp())
		site := siotest.Serve(t, siotest.TCP, srv)
		for _, cookies := range [][]string{nil, {"session_id=forged"}, {asUser("u")}} {
			_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: as(cookies...)})

			var refused *siotest.HTTPError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, http.StatusForbidden, refused.Status)
			require.Equal(t, `{"code":4,"message":"Forbidden"}`, refused.Body)
		}
		require.Contains(t, log.String(), `msg="mojo: a cookie does not count" faults=forged`)
		require.NotContains(t, log.String(), "session_id=")
		dial(t, site, transport, inSession("s")).Connect(chatNamespace, nil)
	}
}

// TestIdentifyPanics: the request is refused, the panic counted and logged, and nothing of the connection stays.
func TestIdentifyPanics(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var log journal
		var evil atomic.Bool
		srv := newTestServer(t, Options{Logger: log.logger(), Limits: Limits{MaxConns: 1, MaxUnconnected: 1}, Identify: func(*http.Request) (Identity, error) {
			if evil.Load() {
				panic("no database")
			}
			return Identity{SessionID: "s"}, nil
		}})
		register(t, srv, "Chat", newApp())
		site := siotest.Serve(t, n, srv)
		evil.Store(true)
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

		evil.Store(false)
		client := siotest.Dial(t, site, siotest.Options{Transport: transport})
		client.Connect(chatNamespace, nil) // there is room for one
		evil.Store(true)
		other := ask(t, site, http.MethodGet, client.Engine.URL("polling"), nil, "")
		require.Equal(t, `{"code":1,"message":"Session ID unknown"}`, other.body)
		require.Greater(t, srv.Stats().HandlerPanics, uint64(3)) // a poll of the client may have panicked, too
	})
}

// TestIdentify in place of cookies: for the handshake and for each later request.
func TestIdentify(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var log journal
		var calls atomic.Int32
		srv := newTestServer(t, Options{Logger: log.logger(), Identify: func(r *http.Request) (Identity, error) {
			calls.Add(1)
			who := r.Header.Get("X-Who")
			if who == "evil" {
				return Identity{}, errors.New("is evil")
			}
			return Identity{SessionID: "session of " + who, UserID: who}, nil
		}})
		h := newApp()
		register(t, srv, "Chat", h)
		site := siotest.Serve(t, n, srv)
		header := http.Header{"X-Who": {"ann"}}

		client := siotest.Dial(t, site, siotest.Options{Transport: transport, Header: header})
		client.Connect(chatNamespace, nil)

		require.Equal(t, Identity{SessionID: "session of ann", UserID: "ann"}, await(t, h.accepted).Identity())
		require.Equal(t, []string{"ann"}, ids(srv.LoggedInSessions()))
		if transport != "websocket" {
			require.Greater(t, calls.Load(), int32(1))
		}
		other := ask(t, site, http.MethodGet, client.Engine.URL("polling"), http.Header{"X-Who": {"bob"}}, "")
		require.Equal(t, `{"code":1,"message":"Session ID unknown"}`, other.body)
		other = ask(t, site, http.MethodGet, client.Engine.URL("polling"), http.Header{"X-Who": {"evil"}}, "")
		require.Equal(t, `{"code":1,"message":"Session ID unknown"}`, other.body)
		refused := ask(t, site, http.MethodGet, site.URL+"/socket.io/?EIO=4&transport=polling", http.Header{"X-Who": {"evil"}}, "")
		require.Equal(t, http.StatusForbidden, refused.status)
		require.NotContains(t, refused.body, "evil")
		require.Contains(t, log.String(), `msg="mojo: Options.Identify refused a request" error="is evil"`)

		require.EqualError(t, srv.LogIn(nil, cookieRequest(), "ann"), "mojo: Options.Cookies is not set, so there are no cookies to write")
		require.EqualError(t, srv.LogOut(nil, cookieRequest()), "mojo: Options.Cookies is not set, so there are no cookies to write")
	})
}

// TestWithoutIdentity nobody has a session.
func TestWithoutIdentity(t *testing.T) {
	h := newApp()
	srv := newTestServer(t, Options{Origins: []string{"*"}})
	ch := register(t, srv, "Chat", h)
	site := siotest.Serve(t, siotest.Memory, srv)
	header := as(inSession("s"))
	header.Set("Origin", "https://any.example")

	siotest.Dial(t, site, siotest.Options{Header: header}).Connect(chatNamespace, nil)

	require.Equal(t, Identity{}, await(t, h.accepted).Identity())
	require.Zero(t, srv.CurrentSessions().Len())
	require.Equal(t, 1, ch.Len())
	require.Equal(t, Identity{}, srv.Identity(cookieRequest(inSession("s"))))
	require.Error(t, srv.LogOut(nil, cookieRequest()))
	next := http.NotFoundHandler()
	require.NotNil(t, srv.EnsureSession(next))
}
