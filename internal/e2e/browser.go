package e2e

import (
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// Browser visits the pages of a site and keeps the cookies that they set.
type Browser struct {
	Extra http.Header // headers of each request, besides Cookie

	t    testing.TB
	site *siotest.Site

	mu      sync.Mutex
	cookies map[string]string // the values by name; guarded by mu
}

// NewBrowser returns a Browser with these cookies, each name=value.
func NewBrowser(t testing.TB, site *siotest.Site, cookies ...string) *Browser {
	b := &Browser{t: t, site: site, cookies: make(map[string]string)}
	for _, cookie := range cookies {
		b.SetCookie(cookie)
	}
	return b
}

// Visit requests a page, which must answer 200, and returns its body.
func (b *Browser) Visit(path string) string {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.site.URL+path, nil)
	require.NoError(b.t, err)
	r.Header = b.Header()
	resp, err := b.site.Client().Do(r)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	require.Equal(b.t, http.StatusOK, resp.StatusCode, string(body))
	b.Keep(resp.Cookies())
	return string(body)
}

// WhoIs visits a page of a LoginSite and returns the session and the user that
// it names.
func (b *Browser) WhoIs(path string) (session, user string) {
	b.t.Helper()
	session, user, _ = strings.Cut(b.Visit(path), " ")
	return session, user
}

// Keep stores the cookies that a response sets, and deletes those that it
// removes.
func (b *Browser) Keep(cookies []*http.Cookie) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range cookies {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
}

// KeepHandshake stores the cookies of the handshake's answer. The client sends
// them with later requests.
func (b *Browser) KeepHandshake(c *siotest.Client) {
	answer := http.Response{Header: c.Engine.Response}
	b.Keep(answer.Cookies())
	c.Engine.SetHeader(b.Header())
}

// SetCookie stores a cookie, name=value.
func (b *Browser) SetCookie(pair string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name, value, _ := strings.Cut(pair, "=")
	b.cookies[name] = value
}

// Cookies returns the values of the cookies by their names.
func (b *Browser) Cookies() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.cookies)
}

// Header returns the headers of the browser's next request.
func (b *Browser) Header() http.Header {
	pairs := make([]string, 0, 2)
	for name, value := range b.Cookies() {
		pairs = append(pairs, name+"="+value)
	}
	header := b.Extra.Clone()
	if header == nil {
		header = make(http.Header)
	}
	if len(pairs) > 0 {
		header["Cookie"] = CookieHeader(pairs...)["Cookie"]
	}
	return header
}

// Dial opens a connection with the browser's current cookies.
func (b *Browser) Dial(transport string) *siotest.Client {
	b.t.Helper()
	return siotest.Dial(b.t, b.site, siotest.Options{Transport: transport, Header: b.Header()})
}
