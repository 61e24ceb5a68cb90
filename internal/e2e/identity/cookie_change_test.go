package identity

import (
	"context"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// changingSite is a site whose CookieOptions change, with a browser that keeps
// its cookies.
type changingSite struct {
	t       *testing.T
	browser http.Client
	handler http.Handler
}

// newChangingSite serves a changingSite at any host name. Call deploy before
// the first request.
func newChangingSite(t *testing.T) *changingSite {
	m := &changingSite{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	t.Cleanup(transport.CloseIdleConnections)
	m.browser = http.Client{Jar: jar, Transport: transport}
	return m
}

// deploy restarts the site with these options.
func (m *changingSite) deploy(opts mojo.CookieOptions) *mojo.Server {
	opts.Insecure = true
	srv := e2e.NewServer(m.t, mojo.Options{Cookies: e2e.NewCookies(m.t, opts)})
	mux := http.NewServeMux()
	mux.HandleFunc("/{directory}/login", func(w http.ResponseWriter, r *http.Request) {
		require.NoError(m.t, srv.LogIn(w, r, r.FormValue("user")))
	})
	mux.HandleFunc("/{directory}/logout", func(w http.ResponseWriter, r *http.Request) {
		require.NoError(m.t, srv.LogOut(w, r))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { e2e.Who(srv, w, r) })
	m.handler = srv.EnsureSession(mux)
	return srv
}

// get visits a page, which must answer 200.
func (m *changingSite) get(url string) *http.Response {
	m.t.Helper()
	resp, err := m.browser.Get(url)
	require.NoError(m.t, err)
	m.t.Cleanup(func() { _ = resp.Body.Close() })
	require.Equal(m.t, http.StatusOK, resp.StatusCode)
	return resp
}

// user visits a page and returns the user id that the site reads from the
// cookies.
func (m *changingSite) user(url string) string {
	m.t.Helper()
	buf := make([]byte, 1024)
	n, _ := m.get(url).Body.Read(buf)
	_, user, _ := strings.Cut(string(buf[:n]), " ")
	return user
}

// cookies counts the cookies that the browser sends to a page, by name.
func (m *changingSite) cookies(page string) map[string]int {
	m.t.Helper()
	at, err := url.Parse(page)
	require.NoError(m.t, err)
	count := make(map[string]int)
	for _, c := range m.browser.Jar.Cookies(at) {
		count[c.Name]++
	}
	return count
}

// When a site changes its CookieOptions, a browser stays logged in, can log in
// as another user, and can log out. After the logout it has one session, and no
// login that is valid after a restart.
func TestCookieOptionsThatChange(t *testing.T) {
	const site = "http://www.shop.example.com"
	for name, change := range map[string]struct{ before, after mojo.CookieOptions }{
		"path to root":               {mojo.CookieOptions{Path: "/app"}, mojo.CookieOptions{}},
		"directory to root":          {mojo.CookieOptions{Path: "/app/"}, mojo.CookieOptions{}},
		"root to path":               {mojo.CookieOptions{}, mojo.CookieOptions{Path: "/app"}},
		"host-only to own domain":    {mojo.CookieOptions{}, mojo.CookieOptions{Domain: "www.shop.example.com"}},
		"host-only to parent domain": {mojo.CookieOptions{}, mojo.CookieOptions{Domain: "example.com"}},
		"parent domain to host-only": {mojo.CookieOptions{Domain: "shop.example.com"}, mojo.CookieOptions{}},
		"parent domain to another":   {mojo.CookieOptions{Domain: "example.com"}, mojo.CookieOptions{Domain: "shop.example.com"}},
		"path and domain":            {mojo.CookieOptions{Path: "/app", Domain: "example.com"}, mojo.CookieOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newChangingSite(t)
			m.deploy(change.before)
			m.get(site + "/app/login?user=ann")
			require.Equal(t, "ann", m.user(site+"/app/page"))

			m.deploy(change.after)
			require.Equal(t, "ann", m.user(site+"/app/page"))
			m.get(site + "/app/login?user=bob")
			require.Equal(t, "bob", m.user(site+"/app/page"))
			m.deploy(change.after)
			require.Equal(t, "bob", m.user(site+"/app/page"), "after a restart")

			m.get(site + "/app/logout")
			require.Empty(t, m.user(site+"/app/page"))
			require.Equal(t, map[string]int{"session_id": 1}, m.cookies(site+"/app/page"))
			m.deploy(change.after)
			require.Empty(t, m.user(site+"/app/page"), "after a restart")
		})
	}
}

// If a browser sends two sessions, LogIn and LogOut give up both.
func TestBrowserWithTwoSessions(t *testing.T) {
	for name, change := range map[string]func(srv *mojo.Server, w http.ResponseWriter, r *http.Request) error{
		"login":  func(srv *mojo.Server, w http.ResponseWriter, r *http.Request) error { return srv.LogIn(w, r, "cleo") },
		"logout": func(srv *mojo.Server, w http.ResponseWriter, r *http.Request) error { return srv.LogOut(w, r) },
	} {
		t.Run(name, func(t *testing.T) {
			srv, _ := e2e.ChatServer(t, e2e.NewApp())
			older := []string{e2e.SignSession(e2e.Key, `"s"`, time.Minute), e2e.SignLogin(e2e.Key, `["ann","s"]`, time.Minute)}
			newer := []string{e2e.SessionCookie("z"), e2e.SignLogin(e2e.Key, `["bob","z"]`, 0)}
			both := cookietest.Request(append(older, newer...)...)
			require.Equal(t, "bob", srv.Identity(both).UserID)

			require.NoError(t, change(srv, httptest.NewRecorder(), both))

			for _, r := range []*http.Request{both, cookietest.Request(older...), cookietest.Request(newer...)} {
				require.Zero(t, srv.Identity(r))
			}
			later := append(append(older, e2e.SessionCookie("new")), newer...)
			require.Equal(t, "new", srv.Identity(cookietest.Request(later...)).SessionID)
			require.Empty(t, srv.Identity(cookietest.Request(later...)).UserID)
		})
	}
}

// If a browser sends two sessions, LogOut changes the identity of connections
// with the valid one and closes those with the other one. No connection keeps
// its old session or user.
func TestConnectionsOfABrowserWithTwoSessions(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		h := e2e.NewApp()
		srv, site := e2e.LoginSite(t, siotest.Memory, h)
		older, newer := e2e.SignSession(e2e.Key, `"s"`, time.Minute), e2e.SessionCookie("z")
		e2e.Dial(t, site, transport, older, e2e.LoginCookie("ann")).Connect(e2e.ChatNamespace, nil)
		lost := e2e.Await(t, h.Accepted)
		e2e.Dial(t, site, transport, newer, e2e.LoginCookie("bob")).Connect(e2e.ChatNamespace, nil)
		kept := e2e.Await(t, h.Accepted)

		require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookietest.Request(older, newer)))

		require.Equal(t, e2e.End{Conn: lost, Reason: mojo.ReasonIdentityChanged}, e2e.Await(t, h.Ended))
		require.Zero(t, srv.LoggedInSessions().Len())
		require.Zero(t, srv.CurrentSessions().Get("z").Len())
		require.Empty(t, kept.Identity().UserID)
		require.NotEqual(t, "z", kept.Identity().SessionID)
	})
}
