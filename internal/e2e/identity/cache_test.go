package identity

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
)

// A response that sets one of mojo's cookies always has Vary and Cache-Control
// headers that forbid caches to store it, no matter which headers the handler
// sets and how it writes.
func TestNoCacheStoresOurCookies(t *testing.T) {
	asset := func(w http.ResponseWriter) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("Vary", "Accept-Encoding")
	}
	for name, handle := range map[string]func(w http.ResponseWriter){
		"empty handler":      func(http.ResponseWriter) {},
		"header":             func(w http.ResponseWriter) { asset(w); w.WriteHeader(http.StatusOK) },
		"not modified":       func(w http.ResponseWriter) { asset(w); w.WriteHeader(http.StatusNotModified) },
		"write":              func(w http.ResponseWriter) { asset(w); _, _ = w.Write([]byte("x")) },
		"string":             func(w http.ResponseWriter) { asset(w); _, _ = io.WriteString(w, "x") },
		"copy":               func(w http.ResponseWriter) { asset(w); _, _ = io.Copy(w, strings.NewReader("x")) },
		"flush":              func(w http.ResponseWriter) { asset(w); w.(http.Flusher).Flush() },
		"controller":         func(w http.ResponseWriter) { asset(w); _ = http.NewResponseController(w).Flush() },
		"early hints before": func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints); asset(w) },
		"headers, no write":  asset,
	} {
		t.Run(name, func(t *testing.T) {
			srv, _ := e2e.ChatServer(t, e2e.NewApp())
			site := httptest.NewServer(srv.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { handle(w) })))
			defer site.Close()

			res, err := site.Client().Get(site.URL)

			require.NoError(t, err)
			defer res.Body.Close()
			require.Contains(t, res.Header.Get("Set-Cookie"), "session_id=")
			require.Contains(t, strings.Join(res.Header["Cache-Control"], ", "), `no-cache="Set-Cookie"`)
			require.Contains(t, res.Header["Vary"], "Cookie")
			if name != "empty handler" {
				require.Contains(t, res.Header["Cache-Control"], "public, max-age=60")
				require.Contains(t, res.Header["Vary"], "Accept-Encoding")
			}
		})
	}
}

// The headers are also in the response of a middleware around EnsureSession
// that recovers a panic of the handler.
func TestNoCacheStoresOurCookiesAfterAPanic(t *testing.T) {
	srv, _ := e2e.ChatServer(t, e2e.NewApp())
	h := srv.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		panic("handler")
	}))
	w := httptest.NewRecorder()

	require.Panics(t, func() { h.ServeHTTP(w, cookietest.Request()) })

	require.Equal(t, []string{"public, max-age=60", `no-cache="Set-Cookie"`}, w.Header()["Cache-Control"])
	require.Equal(t, []string{"Cookie"}, w.Header()["Vary"])
}

// The headers that forbid caching are set once, and only for mojo's own
// cookies.
func TestCacheHeadersAreSetOnce(t *testing.T) {
	srv, _ := e2e.ChatServer(t, e2e.NewApp())
	for name, test := range map[string]struct {
		handle      func(w http.ResponseWriter, r *http.Request)
		cookies     []string
		cache, vary []string
	}{
		"cookie of another handler": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", "csrf=1") }, []string{e2e.SessionCookie("s")}, nil, nil},
		"login":                     {func(w http.ResponseWriter, r *http.Request) { require.NoError(t, srv.LogIn(w, r, "ann")) }, []string{e2e.SessionCookie("s")}, []string{`no-cache="Set-Cookie"`}, []string{"Cookie"}},
		"logout":                    {func(w http.ResponseWriter, r *http.Request) { require.NoError(t, srv.LogOut(w, r)) }, []string{e2e.SessionCookie("s2")}, []string{`no-cache="Set-Cookie"`}, []string{"Cookie"}},
		"same directive already set": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", `private, NO-CACHE="set-cookie"`)
			w.Header().Set("Vary", "Origin, cookie")
		}, nil, []string{`private, NO-CACHE="set-cookie"`}, []string{"Origin, cookie"}},
		"stricter directive already set": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=0, no-cache")
			w.Header().Set("Vary", "*")
		}, nil, []string{"max-age=0, no-cache"}, []string{"*"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()

			srv.EnsureSession(http.HandlerFunc(test.handle)).ServeHTTP(w, cookietest.Request(test.cookies...))

			require.Equal(t, test.cache, w.Header()["Cache-Control"])
			require.Equal(t, test.vary, w.Header()["Vary"])
		})
	}
}

// Without EnsureSession the headers that forbid caching are set when mojo sets
// or removes a cookie.
func TestNoCacheStoresOurCookiesWithoutEnsureSession(t *testing.T) {
	c := e2e.NewCookies(t, mojo.CookieOptions{})
	for _, set := range []func(w http.ResponseWriter) error{
		func(w http.ResponseWriter) error { return c.SetSession(w, "s") },
		func(w http.ResponseWriter) error { return c.SetSession(w, "") },
		func(w http.ResponseWriter) error { return c.SetLogin(w, "u") },
		func(w http.ResponseWriter) error { return c.SetLogin(w, "") },
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Cache-Control", "public")

		require.NoError(t, set(w))
		require.NoError(t, set(w))

		require.Equal(t, []string{"public", `no-cache="Set-Cookie"`}, w.Header()["Cache-Control"])
		require.Equal(t, []string{"Cookie"}, w.Header()["Vary"])
	}
}

// EnsureSession begins no session for a request that cannot be a visitor's
// first, such as that of an image.
func TestRequestsThatBeginNoSession(t *testing.T) {
	for dest, wantSession := range map[string]bool{
		"": true, "document": true, "iframe": true, "empty": true, "embed": true, "object": true,
		"image": false, "script": false, "style": false, "font": false, "manifest": false, "audio": false, "video": false,
		"track": false, "worker": false, "sharedworker": false, "serviceworker": false, "report": false,
	} {
		t.Run(dest, func(t *testing.T) {
			srv, _ := e2e.ChatServer(t, e2e.NewApp())
			r := cookietest.Request()
			if dest != "" {
				r.Header.Set("Sec-Fetch-Dest", dest)
			}
			w := httptest.NewRecorder()
			var id mojo.Identity

			srv.EnsureSession(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { id = srv.Identity(r) })).ServeHTTP(w, r)

			require.Equal(t, wantSession, id.SessionID != "")
			require.Equal(t, wantSession, w.Header().Get("Set-Cookie") != "")
			require.Equal(t, wantSession, w.Header().Get("Vary") != "")
		})
	}
}

// A handler below EnsureSession can hijack the connection.
func TestHijackBelowEnsureSession(t *testing.T) {
	srv, _ := e2e.ChatServer(t, e2e.NewApp())
	site := httptest.NewServer(srv.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
			_ = conn.Close()
		}
	})))
	defer site.Close()
	conn, err := net.Dial("tcp", site.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")

	res, err := http.ReadResponse(bufio.NewReader(conn), nil)

	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "hi", string(body))
}
