package e2e

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// KeepsSession has the browser keep the cookies of the answer to a handshake.
func (b *Browser) KeepsSession(c *siotest.Client) {
	answer := http.Response{Header: c.Engine.Response}
	b.Keep(answer.Cookies())
	c.Engine.SetHeader(b.Header())
}

// WhoIs visits a page and returns what who has answered.
func (b *Browser) WhoIs(path string) (session, user string) {
	b.T.Helper()
	session, user, _ = strings.Cut(b.Visit(path), " ")
	return session, user
}

// Browser keeps the cookies that a site sets.
type Browser struct {
	T       testing.TB
	Site    *siotest.Site
	mu      sync.Mutex // guards cookies where a page follows a login
	Cookies map[string]string
	Extra   http.Header // of each request, beside the cookies
}

func NewBrowser(t testing.TB, site *siotest.Site) *Browser {
	return &Browser{T: t, Site: site, Cookies: make(map[string]string)}
}

// Visit gets a page and returns its body.
func (b *Browser) Visit(path string) string {
	b.T.Helper()
	r, err := http.NewRequest(http.MethodGet, b.Site.URL+path, nil)
	require.NoError(b.T, err)
	r.Header = b.Header()
	resp, err := b.Site.Client().Do(r)
	require.NoError(b.T, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.T, err)
	require.Equal(b.T, http.StatusOK, resp.StatusCode, string(body))
	b.Keep(resp.Cookies())
	return string(body)
}

func (b *Browser) Keep(cookies []*http.Cookie) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range cookies {
		if c.MaxAge < 0 {
			delete(b.Cookies, c.Name)
			continue
		}
		b.Cookies[c.Name] = c.Value
	}
}

func (b *Browser) Header() http.Header {
	b.mu.Lock()
	defer b.mu.Unlock()
	pairs := make([]string, 0, len(b.Cookies))
	for name, value := range b.Cookies {
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

func (b *Browser) Dial(transport string) *siotest.Client {
	b.T.Helper()
	return siotest.Dial(b.T, b.Site, siotest.Options{Transport: transport, Header: b.Header()})
}
