package mojo

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e/cookietest"
)

// An answer that sets a cookie removes the browser's other cookies of that
// name.
func TestExpireOthers(t *testing.T) {
	two := []string{sessionCookie(cookieTestKey, `"a"`, 0), sessionCookie(cookieTestKey, `"b"`, 0)}
	for name, test := range map[string]struct {
		opts CookieOptions
		host string
		path string
		sent []string
		want []string // the removed session cookies: domain and path
	}{
		"none":              {path: "/login"},
		"one":               {path: "/login", sent: two[:1]},
		"one, deeper":       {path: "/a/b/login", sent: two[:1], want: []string{"/a", "/a/b", "/a/", "/a/b/"}},
		"one, domain":       {opts: CookieOptions{Domain: "example.com"}, path: "/login", sent: two[:1], want: []string{"/"}},
		"not ours":          {path: "/a/login", sent: []string{"session_id=x"}},
		"one, one not ours": {path: "/a/login", sent: []string{sessionCookie(cookieTestKey, `"a"`, 0), "session_id=x"}},
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
			r := cookietest.Request(test.sent...)
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

// The removals have a bounded size, as a proxy refuses an answer with a long
// header.
func TestExpireOthersIsBounded(t *testing.T) {
	for _, path := range []string{
		"/accounts/oauth2/provider/google/login/callback/",
		"/" + strings.Repeat("a", 3000) + "/b/c/d/e/f/g",
		strings.Repeat("/a", 100_000),
	} {
		for _, cookies := range [][]string{{sessionCookie(cookieTestKey, `"a"`, 0), loginCookie(cookieTestKey, `"u"`, 0)}, {sessionCookie(cookieTestKey, `"a"`, 0), sessionCookie(cookieTestKey, `"b"`, 0), loginCookie(cookieTestKey, `"u"`, 0), loginCookie(cookieTestKey, `"v"`, 0)}} {
			c := newTestCookies(t, CookieOptions{Domain: "example"})
			r := cookietest.Request(cookies...)
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
			require.LessOrEqual(t, size, 2<<10)
		}
	}
}
