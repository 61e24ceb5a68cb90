package mojo

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Handshake keeps a bounded number of bytes of any request, in whole headers,
// cookies and parameters. Handshake.Cut has the names of what was left out.
func TestHandshakeIsBounded(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for name, change := range map[string]func(r *http.Request){
		"nothing":      func(*http.Request) {},
		"long header":  func(r *http.Request) { r.Header.Set("A", long) },
		"many headers": func(r *http.Request) { repeat(2000, func(i int) { r.Header.Set(fmt.Sprint("A", i), "v") }) },
		"many values":  func(r *http.Request) { repeat(2000, func(int) { r.Header.Add("A", "v") }) },
		"many cookies": func(r *http.Request) {
			repeat(2000, func(i int) { r.AddCookie(&http.Cookie{Name: fmt.Sprint("c", i)}) })
		},
		"long query":     func(r *http.Request) { r.URL.RawQuery = "first=1&a=" + long + "&z=1" },
		"long parameter": func(r *http.Request) { r.URL.RawQuery = long },
		"many parameters": func(r *http.Request) {
			r.URL.RawQuery = "first=1" + strings.Repeat("&a=1", 10_000)
		},
		"long address":    func(r *http.Request) { r.RemoteAddr = long },
		"long host":       func(r *http.Request) { r.Host = long },
		"bad query":       func(r *http.Request) { r.URL.RawQuery = "first=1&%zz=%" },
		"everything long": func(r *http.Request) { r.URL.RawQuery, r.RemoteAddr, r.Host = long+"&"+long, long, long },
		"line in value":   func(r *http.Request) { r.Header.Set("A", "b\nSet: x") },
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/?first=1&last=2", nil)
			r.Header.Set("Z-Last", "kept")
			change(r)

			hs := newHandshake(r, newTestCookies(t, CookieOptions{}), 4<<10, time.Now())

			require.LessOrEqual(t, len(hs.text)+len(hs.browser.Value()), 5<<10)
			public := hs.toHandshake(nil)
			whole := name == "nothing" || name == "bad query" || name == "line in value" || name == "long address"
			require.Equal(t, whole, public.Cut == nil, public.Cut)
			for name, values := range public.Header() {
				require.Contains(t, []string{"Host", "Z-Last", "A", "Cookie"}, strings.TrimRight(name, "0123456789"))
				if name == "Z-Last" {
					require.Equal(t, []string{"kept"}, values)
				}
			}
			for name := range public.Query() {
				require.Contains(t, []string{"first", "last", "a", ""}, name)
			}
			_ = public.Cookies()
			if strings.HasPrefix(r.URL.RawQuery, "first=1") {
				require.Equal(t, "1", public.Query().Get("first"))
			}
		})
	}
}

// repeat calls do for each number from 0 to n-1.
func repeat(n int, do func(i int)) {
	for i := range n {
		do(i)
	}
}

// The Server's own cookies are removed from the Cookie header, in every form of
// the header and under every configured name.
func TestHandshakeHidesOwnCookies(t *testing.T) {
	for header, want := range map[string]string{
		"session_id=x":                            "",
		"session_id =x; a=b":                      "a=b",
		" a=b ;session_id=x;logged_in=y; ; c=d":   "a=b; c=d",
		"logged_in":                               "",
		"session_id=1; session_id=2; my_session=": "my_session=",
		"session_id2=x":                           "session_id2=x",
	} {
		require.Equal(t, want, newTestCookies(t, CookieOptions{}).strip(header), header)
	}
	require.Equal(t, "session_id=x", newTestCookies(t, CookieOptions{SessionName: "s", LoginName: "l"}).strip("s=1; session_id=x; l=2"))
}

// The reused buffer for handshakes keeps nothing of the previous handshake.
func TestHandshakeBufferIsReused(t *testing.T) {
	long := httptest.NewRequest(http.MethodGet, "/?long="+strings.Repeat("q", 3<<10), nil)
	long.Header.Set("User-Agent", strings.Repeat("u", 3<<10))
	for i := range 20 {
		long.Header.Set(fmt.Sprintf("A%d", i), strings.Repeat("v", 400))
	}
	short := httptest.NewRequest(http.MethodGet, "/?a=b", nil)
	short.Header.Set("User-Agent", "short")
	opts := newTestCookies(t, CookieOptions{})

	first := newHandshake(long, opts, 4<<10, time.Now()).toHandshake(nil)
	second := newHandshake(short, opts, 4<<10, time.Now()).toHandshake(nil)

	require.NotEmpty(t, first.Cut)
	require.Nil(t, second.Cut)
	require.Equal(t, http.Header{"Host": {"example.com"}, "User-Agent": {"short"}}, second.Header())
	require.Equal(t, url.Values{"a": {"b"}}, second.Query())
	require.Equal(t, strings.Repeat("v", 400), first.Header().Get("A0"), "the second handshake does not change the first")
}
