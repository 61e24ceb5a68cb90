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

// Browser is the browser of one visitor: its cookies, and tabs that share them.
// Each request and each handshake sends the cookies, and each answer may set
// them. Cookies with the attribute Secure are sent without TLS too, as browsers
// do on localhost.
//
// Make one with Server.NewBrowser. Its tabs are closed when its test ends or
// Close is called. Its methods fail the test if the site does not answer within
// Server.Timeout, so call them in the test's goroutine. Close is safe for
// concurrent use.
type Browser struct {
	t      testing.TB
	server *Server
	jar    http.CookieJar
	client *http.Client

	mu   sync.Mutex // guards the field below
	tabs []*Tab
}

// NewBrowser returns a browser without cookies. It visits no page by itself: it
// has a session after its first Get, Post or LogIn.
//
// Its failures are failures of t, which may be a subtest of the Server's test.
// The browser is closed when t ends. A nil t means the same as for NewServer.
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

// secureJar is a jar that treats every address as one with TLS.
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

// Response is the site's answer to a request of Browser.Get, Post or Do, after
// redirects. It is a value that the test may keep.
type Response struct {
	Status int // 200, 404, ...
	Header http.Header
	Body   string
}

// Get visits a page of the site, for instance "/hello?name=ann". It also
// returns an answer with an error status. See Do.
func (b *Browser) Get(path string) Response {
	b.t.Helper()
	return b.Do(b.request(http.MethodGet, path, ""))
}

// Post sends a form to the site. See Do.
func (b *Browser) Post(path string, form url.Values) Response {
	b.t.Helper()
	return b.Do(b.form(path, form))
}

// Do sends a request for Server.URL and a path.
//
// If the answer changes the cookies, because the request was a login for
// instance, Do returns after every tab has proven that it belongs to this
// browser, as a page with mojo.js does. Then the tabs belong to the new user.
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

// Client returns an http.Client with the cookies of this browser that reaches
// the site, also in memory. After a login through it the tabs follow in the
// background.
func (b *Browser) Client() *http.Client { return b.client }

// Cookies returns the cookies that the browser sends to the page "/". They have
// names and values only.
func (b *Browser) Cookies() []*http.Cookie {
	return b.jar.Cookies(b.request(http.MethodGet, "/", "").URL)
}

// SetCookies stores cookies as if the page "/" had set them. A cookie with a
// negative MaxAge is removed.
func (b *Browser) SetCookies(cookies ...*http.Cookie) {
	b.jar.SetCookies(b.request(http.MethodGet, "/", "").URL, cookies)
}

// Close closes the tabs of the browser. A paused tab is dropped. The end of the
// test calls Close.
func (b *Browser) Close() {
	for _, tab := range b.openTabs() {
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

// openTabs returns the tabs that have a connection, and forgets the others.
func (b *Browser) openTabs() []*Tab {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tabs = slices.DeleteFunc(b.tabs, func(tab *Tab) bool { return !tab.connected() })
	return slices.Clone(b.tabs)
}

func (b *Browser) addTab(tab *Tab) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tabs = append(b.tabs, tab)
}

// awaitProofs waits until each tab has sent the proof that the site has asked
// for. It skips paused tabs, which read nothing.
func (b *Browser) awaitProofs() {
	b.t.Helper()
	for _, tab := range b.openTabs() {
		if tab.paused.Load() {
			continue
		}
		if err := tab.connection().AwaitProofs(); err != nil && tab.connected() {
			b.t.Fatalf("mojotest: a tab has not followed the login: %v", err)
		}
	}
}
