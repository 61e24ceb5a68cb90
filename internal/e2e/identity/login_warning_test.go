package identity

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// If a browser visits a site with Secure cookies over plain HTTP, the log says
// once why logins fail.
func TestSecureCookiesByPlainHTTP(t *testing.T) {
	for name, test := range map[string]struct {
		host, header, value string
		insecure            bool
		lines               int
	}{
		"another machine":  {"192.168.1.7:8000", "Origin", "http://192.168.1.7:8000", false, 1},
		"by Referer":       {"box.local", "Referer", "http://box.local/login", false, 1},
		"localhost":        {"localhost:8000", "Origin", "http://localhost:8000", false, 0},
		"127.0.0.1":        {"127.0.0.1:8000", "Origin", "http://127.0.0.1:8000", false, 0},
		"::1":              {"[::1]:8000", "Origin", "http://[::1]:8000", false, 0},
		"https at a proxy": {"example.com", "Origin", "https://example.com", false, 0},
		"from elsewhere":   {"example.com", "Referer", "http://other.example/", false, 0},
		"no proxy header":  {"192.168.1.7:8000", "X-Nothing", "", false, 0},
		"Insecure":         {"192.168.1.7:8000", "Origin", "http://192.168.1.7:8000", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var log e2e.Log
			srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{Insecure: test.insecure}), Logger: log.Logger()})
			for range 3 {
				r := httptest.NewRequest(http.MethodPost, "/login", nil)
				r.Host = test.host
				r.Header.Set(test.header, test.value)
				require.NoError(t, srv.LogIn(httptest.NewRecorder(), r, "ann"))
			}
			require.Equal(t, test.lines, strings.Count(log.String(), "CookieOptions.Insecure"), log.String())
		})
	}
}

// LogIn fails if the handler has already written the response's header, and
// changes no connection.
func TestLogInTooLate(t *testing.T) {
	cookies := e2e.NewCookies(t, mojo.CookieOptions{})
	srv := e2e.NewServer(t, mojo.Options{Cookies: cookies})
	e2e.Register(t, srv, "Chat", e2e.NewApp())
	late := make(chan error, 4)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/late", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello")
		late <- srv.LogIn(w, r, "ann")
		late <- srv.LogOut(w, r)
		late <- cookies.SetSession(w, "t")
		late <- cookies.SetLogin(w, "")
	})
	site := siotest.Serve(t, siotest.TCP, srv.EnsureSession(mux))
	b := e2e.NewBrowser(t, site, e2e.SessionCookie("s"))
	socket := b.Dial("websocket").Connect(e2e.ChatNamespace, nil)

	b.Visit("/late")

	for range 4 {
		require.ErrorContains(t, e2e.Await(t, late), "written already")
	}
	require.True(t, srv.CurrentSessions().Has("s"))
	socket.ExpectNothing()
}

// A login without a session is logged, unless the browser receives a session
// from EnsureSession or BeginSessions.
func TestLogInWithoutASession(t *testing.T) {
	for name, test := range map[string]struct {
		opts        mojo.Options
		ensure      bool
		sent        []string
		wantWarning bool
	}{
		"no session":    {wantWarning: true},
		"a session":     {sent: []string{e2e.SessionCookie("s")}},
		"EnsureSession": {ensure: true},
		"BeginSessions": {opts: mojo.Options{BeginSessions: true}},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(e2e.Log)
			test.opts.Logger, test.opts.Cookies = log.Logger(), e2e.NewCookies(t, mojo.CookieOptions{})
			srv := e2e.NewServer(t, test.opts)
			var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				require.NoError(t, srv.LogIn(w, r, "ann"))
			})
			if test.ensure {
				h = srv.EnsureSession(h)
			}
			h.ServeHTTP(httptest.NewRecorder(), cookietest.Request(test.sent...))

			require.Equal(t, test.wantWarning, strings.Contains(log.String(), "without a session"))
			require.Equal(t, test.wantWarning, strings.Contains(log.String(), "BeginSessions"))
		})
	}
}
