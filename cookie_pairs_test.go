package mojo

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

	"github.com/mojosocket/mojo/internal/siotest"
)

// movingSite is a site whose CookieOptions change, and a browser with the cookies of
// before.
type movingSite struct {
	t       *testing.T
	browser http.Client
	handler http.Handler
}

func newMovingSite(t *testing.T) *movingSite {
	m := &movingSite{t: t}
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

// deploy starts the site anew with these options.
func (m *movingSite) deploy(opts CookieOptions) *Server {
	opts.Insecure = true
	srv := newTestServer(m.t, Options{Cookies: newTestCookies(m.t, opts)})
	mux := http.NewServeMux()
	mux.HandleFunc("/{directory}/login", func(w http.ResponseWriter, r *http.Request) {
		require.NoError(m.t, srv.LogIn(w, r, r.FormValue("user")))
	})
	mux.HandleFunc("/{directory}/logout", func(w http.ResponseWriter, r *http.Request) {
		require.NoError(m.t, srv.LogOut(w, r))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { who(srv, w, r) })
	m.handler = srv.EnsureSession(mux)
	return srv
}

func (m *movingSite) get(url string) *http.Response {
	m.t.Helper()
	resp, err := m.browser.Get(url)
	require.NoError(m.t, err)
	m.t.Cleanup(func() { _ = resp.Body.Close() })
	require.Equal(m.t, http.StatusOK, resp.StatusCode)
	return resp
}

// user returns whom the site takes the browser for.
func (m *movingSite) user(url string) string {
	m.t.Helper()
	buf := make([]byte, 1024)
	n, _ := m.get(url).Body.Read(buf)
	_, user, _ := strings.Cut(string(buf[:n]), " ")
	return user
}

// cookies counts those of each name that the browser sends to a page.
func (m *movingSite) cookies(page string) map[string]int {
	m.t.Helper()
	at, err := url.Parse(page)
	require.NoError(m.t, err)
	count := make(map[string]int)
	for _, c := range m.browser.Jar.Cookies(at) {
		count[c.Name]++
	}
	return count
}

// TestCookieOptionsThatChange: a browser with a login of before is logged in, can log
// in as somebody else, and out, after which it has one session and no login that
// would count again when the process has started anew.
func TestCookieOptionsThatChange(t *testing.T) {
	const site = "http://www.shop.example.com"
	for name, change := range map[string]struct{ before, after CookieOptions }{
		"path to root":       {CookieOptions{Path: "/app"}, CookieOptions{}},
		"directory to root":  {CookieOptions{Path: "/app/"}, CookieOptions{}},
		"root to path":       {CookieOptions{}, CookieOptions{Path: "/app"}},
		"host to its domain": {CookieOptions{}, CookieOptions{Domain: "www.shop.example.com"}},
		"host to parent":     {CookieOptions{}, CookieOptions{Domain: "example.com"}},
		"parent to host":     {CookieOptions{Domain: "shop.example.com"}, CookieOptions{}},
		"parent to another":  {CookieOptions{Domain: "example.com"}, CookieOptions{Domain: "shop.example.com"}},
		"path and domain":    {CookieOptions{Path: "/app", Domain: "example.com"}, CookieOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMovingSite(t)
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

// TestSessionsThatABrowserHasTwice: LogIn and LogOut give up each session that the
// browser has, whatever becomes of its cookies.
func TestSessionsThatABrowserHasTwice(t *testing.T) {
	for name, change := range map[string]func(srv *Server, w http.ResponseWriter, r *http.Request) error{
		"login":  func(srv *Server, w http.ResponseWriter, r *http.Request) error { return srv.LogIn(w, r, "cleo") },
		"logout": func(srv *Server, w http.ResponseWriter, r *http.Request) error { return srv.LogOut(w, r) },
	} {
		t.Run(name, func(t *testing.T) {
			srv, _ := chatServer(t, newApp())
			older := []string{sessionCookie(cookieTestKey, `"s"`, time.Minute), loginCookie(cookieTestKey, `["ann","s"]`, time.Minute)}
			newer := []string{inSession("z"), loginCookie(cookieTestKey, `["bob","z"]`, 0)}
			both := cookieRequest(append(older, newer...)...)
			require.Equal(t, "bob", srv.Identity(both).UserID)

			require.NoError(t, change(srv, httptest.NewRecorder(), both))

			for _, r := range []*http.Request{both, cookieRequest(older...), cookieRequest(newer...)} {
				require.Zero(t, srv.Identity(r))
			}
			later := append(append(older, inSession("new")), newer...)
			require.Equal(t, "new", srv.Identity(cookieRequest(later...)).SessionID)
			require.Empty(t, srv.Identity(cookieRequest(later...)).UserID)
		})
	}
}

// TestConnectionsOfSessionsThatABrowserHasTwice: those of the session that counts go
// on, and those of another one come again, each nobody's of before.
func TestConnectionsOfSessionsThatABrowserHasTwice(t *testing.T) {
	byTheClock(t, func(t *testing.T, transport string) {
		h := newApp()
		srv, site := loginSite(t, siotest.Memory, h)
		older, newer := sessionCookie(cookieTestKey, `"s"`, time.Minute), inSession("z")
		dial(t, site, transport, older, asUser("ann")).Connect(chatNamespace, nil)
		lost := await(t, h.accepted)
		dial(t, site, transport, newer, asUser("bob")).Connect(chatNamespace, nil)
		kept := await(t, h.accepted)

		require.NoError(t, srv.LogOut(httptest.NewRecorder(), cookieRequest(older, newer)))

		require.Equal(t, ending{lost, ReasonIdentityChanged}, await(t, h.ended))
		require.Zero(t, srv.LoggedInSessions().Len())
		require.Zero(t, srv.CurrentSessions().Get("z").Len())
		require.Empty(t, kept.Identity().UserID)
		require.NotEqual(t, "z", kept.Identity().SessionID)
	})
}

// TestExpireOthers: what an answer removes beside the cookie that it sets.
func TestExpireOthers(t *testing.T) {
	two := []string{inSession("a"), inSession("b")}
	for name, test := range map[string]struct {
		opts CookieOptions
		host string
		path string
		sent []string
		want []string // of the session
	}{
		"none":              {path: "/login"},
		"one":               {path: "/login", sent: two[:1]},
		"one, deeper":       {path: "/a/b/login", sent: two[:1], want: []string{"/a", "/a/b", "/a/", "/a/b/"}},
		"one, domain":       {opts: CookieOptions{Domain: "example.com"}, path: "/login", sent: two[:1], want: []string{"/"}},
		"one of another":    {path: "/a/login", sent: []string{"session_id=x"}},
		"one and another":   {path: "/a/login", sent: []string{inSession("a"), "session_id=x"}},
		"two":               {path: "/login", sent: two, want: []string{"example.com/", "/login", "example.com/login"}},
		"two, a port":       {host: "Example.com:80", path: "/", sent: two, want: []string{"example.com/"}},
		"two, an address":   {host: "127.0.0.1:80", path: "/", sent: two},
		"two, of version 6": {host: "[::1]:80", path: "/", sent: two},
		"two, one label":    {host: "localhost", path: "/", sent: two},
		"two, subdomain":    {host: "a.b.example", path: "/", sent: two, want: []string{"a.b.example/", "b.example/"}},
		"two, odd path":     {host: "localhost", path: "/a;b/%C3%A9/x", sent: two, want: nil},
		"two, host prefix": {opts: CookieOptions{SessionName: "__Host-s"}, path: "/a/login", sent: []string{
			"__Host-s=" + cookieText(Key{Hash: cookieTestKey.Hash}, "__Host-s", `"a"`, time.Now().Unix()),
			"__Host-s=" + cookieText(Key{Hash: cookieTestKey.Hash}, "__Host-s", `"b"`, time.Now().Unix()),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCookies(t, test.opts)
			r := cookieRequest(test.sent...)
			r.URL = &url.URL{Path: test.path}
			if test.host != "" {
				r.Host = test.host
			}
			w := httptest.NewRecorder()
			require.NoError(t, c.SetSession(w, "s"))
			require.NoError(t, c.SetLogin(w, "u"))

			sent, _ := c.read(r)
			c.expireOthers(w, r, sent)
			c.expireOthers(w, r, sent) // the second time changes nothing

			var got []string
			for _, cookie := range w.Result().Cookies() {
				if cookie.MaxAge < 0 {
					require.Equal(t, c.sessionName, cookie.Name)
					got = append(got, cookie.Domain+cookie.Path)
				}
			}
			require.Equal(t, test.want, got)
		})
	}
}

// TestExpireOthersIsBounded, as a proxy refuses an answer whose header is long.
func TestExpireOthersIsBounded(t *testing.T) {
	for _, path := range []string{
		"/accounts/oauth2/provider/google/login/callback/",
		"/" + strings.Repeat("a", 3000) + "/b/c/d/e/f/g",
		strings.Repeat("/a", 100_000),
	} {
		for _, cookies := range [][]string{{inSession("a"), asUser("u")}, {inSession("a"), inSession("b"), asUser("u"), asUser("v")}} {
			c := newTestCookies(t, CookieOptions{Domain: "example"})
			r := cookieRequest(cookies...)
			r.URL.Path = path
			r.Host = strings.Repeat("a.", 100) + "example"
			w := httptest.NewRecorder()
			require.NoError(t, c.SetSession(w, "s"))
			require.NoError(t, c.SetLogin(w, "u"))
			sent, _ := c.read(r)

			c.expireOthers(w, r, sent)

			size := 0
			for _, line := range w.Header()["Set-Cookie"] {
				if strings.Contains(line, "Max-Age=0") {
					size += len(line)
				}
			}
			require.LessOrEqual(t, size, maxRemoved)
		}
	}
}
