package mojotest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Browser has the cookies of one visitor. Its tabs share them: each request and
// each handshake sends them, and each answer may set them. Cookies marked Secure
// are sent as well where there is no TLS, as browsers do on localhost.
//
// Make one with Server.NewBrowser. Its methods fail the test when the site does not
// answer within Server.Timeout, so they belong in the test's goroutine.
type Browser struct {
	t      testing.TB
	server *Server
	jar    http.CookieJar
	client *http.Client

	mu   sync.Mutex // guards tabs
	tabs []*Tab
}

// NewBrowser returns a browser without cookies. It visits no page by itself: a
// browser has a session after its first Get, Post or LogIn.
//
// Its failures are those of t, which may be a subtest of the Server's test. When t
// ends its tabs are closed. A nil t is as for NewServer.
func (s *Server) NewBrowser(t testing.TB) *Browser {
	t = reporter(t)
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatalf("mojotest: %v", err)
	}
	b := &Browser{t: t, server: s, jar: secureJar{jar}}
	b.client = &http.Client{Transport: s.site.Client().Transport, Jar: b.jar}
	if limit := s.timeout(); s.site.Limit != limit {
		s.site.Limit = limit
	}
	s.mu.Lock()
	s.browsers = append(s.browsers, b)
	s.mu.Unlock()
	t.Cleanup(b.Close)
	return b
}

// secureJar takes every address for one with TLS.
type secureJar struct{ jar http.CookieJar }

func (j secureJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.jar.SetCookies(secure(u), cookies)
}

func (j secureJar) Cookies(u *url.URL) []*http.Cookie { return j.jar.Cookies(secure(u)) }

func secure(u *url.URL) *url.URL {
	s := *u
	s.Scheme = "https"
	return &s
}

// Response is what a site answered to a request of Browser.Get, Post or Do, after
// the redirects.
type Response struct {
	Status int // 200, 404, ...
	Header http.Header
	Body   string
}

// Get visits a page of the site, for instance "/hello?name=ann". Every answer is
// returned, whatever its status.
func (b *Browser) Get(path string) Response {
	b.t.Helper()
	return b.Do(b.request(http.MethodGet, path, ""))
}

// Post sends a form to the site, and is otherwise as Get.
func (b *Browser) Post(path string, form url.Values) Response {
	b.t.Helper()
	return b.Do(b.form(path, form))
}

// Do sends any request, which http.NewRequest has made for Server.URL and a path.
//
// If the answer sets cookies, which is how somebody logs in or out, Do returns when
// every tab has proven that it belongs to this browser, as a page with mojo.js does:
// from then on the tab is reached under its new user.
func (b *Browser) Do(r *http.Request) Response {
	b.t.Helper()
	ctx, cancel := b.server.site.WithLimit(r.Context())
	defer cancel()
	before := b.cookieHeader()
	res, err := b.client.Do(r.WithContext(ctx))
	if err != nil {
		b.t.Fatalf("%v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	if b.cookieHeader() != before {
		b.awaitProofs()
	}
	return Response{Status: res.StatusCode, Header: res.Header, Body: string(body)}
}

// Client returns an http.Client with the cookies of this browser, for requests that
// Do is not enough for. It reaches the site wherever it is served. Tabs whose user
// a request changes follow in the background.
func (b *Browser) Client() *http.Client { return b.client }

// Cookies returns the cookies that the browser sends to the page "/": names and
// values.
func (b *Browser) Cookies() []*http.Cookie {
	return b.jar.Cookies(b.request(http.MethodGet, "/", "").URL)
}

// SetCookies sets cookies as an answer of the page "/" would. One with a negative
// MaxAge is removed.
func (b *Browser) SetCookies(cookies ...*http.Cookie) {
	b.jar.SetCookies(b.request(http.MethodGet, "/", "").URL, cookies)
}

// Close closes the browser with its tabs, as the end of the test does. A tab that
// does not read is dropped, see Tab.Pause.
func (b *Browser) Close() {
	for _, tab := range b.open() {
		if tab.paused.Load() {
			tab.Drop()
		} else {
			tab.Close()
		}
	}
}

func (b *Browser) request(method, path, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequest(method, b.server.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatalf("mojotest: %v", err)
	}
	return r
}

func (b *Browser) form(path string, form url.Values) *http.Request {
	b.t.Helper()
	r := b.request(http.MethodPost, path, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (b *Browser) cookieHeader() string {
	r := http.Request{Header: make(http.Header)}
	for _, cookie := range b.Cookies() {
		r.AddCookie(cookie)
	}
	return r.Header.Get("Cookie")
}

// open returns the tabs that have a connection.
func (b *Browser) open() []*Tab {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tabs = slices.DeleteFunc(b.tabs, func(tab *Tab) bool { return !tab.connected() })
	return slices.Clone(b.tabs)
}

func (b *Browser) opened(tab *Tab) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tabs = append(b.tabs, tab)
}

// awaitProofs returns when the tabs have proven what the site has asked them for.
// A tab that does not read cannot.
func (b *Browser) awaitProofs() {
	b.t.Helper()
	for _, tab := range b.open() {
		if tab.paused.Load() {
			continue
		}
		if err := tab.connection().AwaitProofs(); err != nil && tab.connected() {
			b.t.Fatalf("mojotest: a tab has not followed the login: %v", err)
		}
	}
}
