package identity

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// In answers to page loads, EnsureSession renews a cookie when a tenth of its
// MaxAge has passed or an older key has signed it. Server.Identity returns the
// new expiry at once.
func TestEnsureSessionRenews(t *testing.T) {
	const (
		fresh = e2e.MaxAge/10 - time.Second
		stale = e2e.MaxAge / 10
		last  = e2e.MaxAge - time.Second
		half  = e2e.MaxAge / 2
		both  = "session_id logged_in"
	)
	session := func(age time.Duration) string { return e2e.SignSession(e2e.Key, `"s"`, age) }
	login := func(age time.Duration) string { return e2e.SignLogin(e2e.Key, `"u"`, age) }
	bound := func(age time.Duration) string { return e2e.SignLogin(e2e.Key, `["u","s"]`, age) }
	mode := func(mode string) http.Header { return http.Header{"Sec-Fetch-Mode": {mode}} }
	script := http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"empty"}}
	foreign := http.Header{"Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-site"}, "Sec-Fetch-Dest": {"empty"}}
	image := http.Header{"Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Dest": {"image"}}

	for name, test := range map[string]struct {
		cookies func() []string // called in the bubble, because it reads the clock
		header  http.Header
		url     string
		set     string        // the cookies that are renewed
		age     time.Duration // the age of the cookies whose expiry Server.Identity returns
	}{
		"fresh":                          {func() []string { return []string{session(fresh), login(fresh)} }, nil, "/", "", fresh},
		"stale":                          {func() []string { return []string{session(stale), login(stale)} }, nil, "/", both, 0},
		"last second before expiry":      {func() []string { return []string{session(last), login(last)} }, nil, "/", both, 0},
		"stale session alone":            {func() []string { return []string{session(stale)} }, nil, "/", "session_id", 0},
		"stale session":                  {func() []string { return []string{session(stale), login(fresh)} }, nil, "/", "session_id", fresh},
		"stale login":                    {func() []string { return []string{session(fresh), login(stale)} }, nil, "/", "logged_in", fresh},
		"bound login":                    {func() []string { return []string{session(stale), bound(stale)} }, nil, "/", both, 0},
		"login of another session":       {func() []string { return []string{session(fresh), e2e.SignLogin(e2e.Key, `["u","z"]`, stale)} }, nil, "/", "", fresh},
		"date in the future":             {func() []string { return []string{session(-time.Minute)} }, nil, "/", "", -time.Minute},
		"old key":                        {func() []string { return []string{e2e.SignSession(e2e.OldKey, `"s"`, 0), login(0)} }, nil, "/", "session_id", 0},
		"old key, bound":                 {func() []string { return []string{session(0), e2e.SignLogin(e2e.OldKey, `["u","s"]`, 0)} }, nil, "/", "logged_in", 0},
		"old key and current":            {func() []string { return []string{e2e.SignSession(e2e.OldKey, `"s"`, 9*time.Second), session(0)} }, nil, "/", "", 0},
		"navigation":                     {func() []string { return []string{session(stale)} }, mode("navigate"), "/", "session_id", 0},
		"fetch":                          {func() []string { return []string{session(stale)} }, mode("cors"), "/", "", stale},
		"fetch, same origin":             {func() []string { return []string{session(stale)} }, mode("same-origin"), "/", "", stale},
		"fetch after half of MaxAge":     {func() []string { return []string{session(half), login(half)} }, script, "/", both, 0},
		"fetch before half of MaxAge":    {func() []string { return []string{session(half - time.Second)} }, script, "/", "", half - time.Second},
		"fetch of another site":          {func() []string { return []string{session(half)} }, foreign, "/", "", half},
		"image after half of MaxAge":     {func() []string { return []string{session(half)} }, image, "/", "", half},
		"socket.io after half of MaxAge": {func() []string { return []string{session(half)} }, script, "/?EIO=4", "", half},
		"image":                          {func() []string { return []string{session(stale)} }, mode("no-cors"), "/", "", stale},
		"WebSocket":                      {func() []string { return []string{session(stale)} }, mode("websocket"), "/", "", stale},
		"socket.io":                      {func() []string { return []string{session(stale)} }, nil, "/?EIO=4", "", stale},
		"socket.io, old key":             {func() []string { return []string{e2e.SignSession(e2e.OldKey, `"s"`, 0)} }, nil, "/?EIO=", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, _ := e2e.ChatServer(t, e2e.NewApp())
				cookies := test.cookies()
				r := httptest.NewRequest(http.MethodGet, test.url, nil)
				r.Header = e2e.CookieHeader(cookies...)
				for name, values := range test.header {
					r.Header[name] = values
				}
				before := srv.Identity(r)
				var id mojo.Identity
				w := httptest.NewRecorder()

				srv.EnsureSession(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { id = srv.Identity(r) })).ServeHTTP(w, r)

				var set []string
				for _, c := range w.Result().Cookies() {
					set = append(set, c.Name)
					require.Equal(t, int(e2e.MaxAge/time.Second), c.MaxAge)
				}
				require.Equal(t, test.set, strings.Join(set, " "))
				require.True(t, time.Now().Add(e2e.MaxAge-test.age).Equal(id.Expires), "%v", time.Until(id.Expires))
				id.Expires = before.Expires
				require.Equal(t, before, id)
				if test.set == "" {
					return
				}
				next := browserAfter(t, cookies, w)
				current := e2e.NewCookies(t, mojo.CookieOptions{Keys: []mojo.Key{e2e.Key}})
				id, err := current.Identify(next)
				require.NoError(t, err)
				require.Equal(t, before.SessionID, id.SessionID)
				require.Equal(t, before.UserID, id.UserID)
				if login, err := next.Cookie("logged_in"); err == nil {
					alone, err := current.Identify(cookietest.Request("logged_in=" + login.Value))
					require.NoError(t, err)
					require.Equal(t, strings.Contains(name, "bound"), alone.UserID == "", "the renewal has changed whether the login is bound")
				}
			})
		})
	}
}

// If another request of the browser logs in or out at the same time, no renewal
// is sent: the browser keeps the cookies of that other request.
func TestRenewalBesideALogin(t *testing.T) {
	for name, change := range map[string]func(srv *mojo.Server, w http.ResponseWriter, r *http.Request) error{
		"login":  func(srv *mojo.Server, w http.ResponseWriter, r *http.Request) error { return srv.LogIn(w, r, "bob") },
		"logout": func(srv *mojo.Server, w http.ResponseWriter, r *http.Request) error { return srv.LogOut(w, r) },
	} {
		t.Run(name, func(t *testing.T) {
			srv, _ := e2e.ChatServer(t, e2e.NewApp())
			cookies := []string{e2e.SignSession(e2e.Key, `"s"`, 50*time.Minute), e2e.SignLogin(e2e.Key, `["ann","s"]`, 50*time.Minute)}
			w := httptest.NewRecorder()

			srv.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				require.NotEmpty(t, w.Header()["Set-Cookie"])
				require.NoError(t, change(srv, httptest.NewRecorder(), cookietest.Request(cookies...))) // another request of the browser
				_, _ = w.Write([]byte("hello"))
			})).ServeHTTP(w, cookietest.Request(cookies...))

			require.Empty(t, w.Header()["Set-Cookie"])
		})
	}
}

// browserAfter returns the next request of a browser that had these cookies and
// received the response w.
func browserAfter(t testing.TB, cookies []string, w *httptest.ResponseRecorder) *http.Request {
	b := e2e.NewBrowser(t, nil, cookies...)
	b.Keep(w.Result().Cookies())
	return cookietest.Request(b.Header().Get("Cookie"))
}

// Answers of the Server renew no cookie, and keep the cookies that other
// handlers set.
func TestEnsureSessionRenewsNothingOfTheServer(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{Domain: "example.com"})})
	h := srv.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "csrf=1")
		srv.ServeHTTP(w, r)
	}))
	for _, url := range []string{"/socket.io/", "/socket.io/?EIO=4&transport=polling", "/socket.io/?transport=polling"} {
		r := httptest.NewRequest(http.MethodGet, url, nil)
		r.Header = e2e.CookieHeader(e2e.SignSession(e2e.Key, `"s"`, time.Minute*50), e2e.SignSession(e2e.Key, `"s"`, time.Minute*50), e2e.LoginCookie("u"))
		w := httptest.NewRecorder()

		h.ServeHTTP(w, r)

		require.Equal(t, []string{"csrf=1"}, w.Header()["Set-Cookie"])
	}
}

// A renewed cookie with a Domain replaces the one without it.
func TestEnsureSessionRenewsForADomain(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{Domain: "example.com"})})
	cookies := []string{e2e.SessionCookie("s"), e2e.SignLogin(e2e.Key, `"u"`, time.Minute*50)}
	w := httptest.NewRecorder()

	srv.EnsureSession(http.NotFoundHandler()).ServeHTTP(w, cookietest.Request(cookies...))

	var got []string
	for _, c := range w.Result().Cookies() {
		what := c.Name + " of the host alone, removed"
		if c.MaxAge > 0 {
			what = c.Name + " of " + c.Domain
		}
		got = append(got, what)
	}
	require.Equal(t, []string{
		"logged_in of the host alone, removed", "logged_in of example.com",
	}, got)
}

// If a renewal and LogIn or LogOut change one response, the browser receives
// only the cookies of LogIn or LogOut.
func TestLogInAfterRenewal(t *testing.T) {
	for _, user := range []string{"ann", ""} {
		srv, _ := e2e.ChatServer(t, e2e.NewApp())
		cookies := []string{e2e.SignSession(e2e.Key, `"s"`, time.Minute*50), e2e.SignLogin(e2e.OldKey, `"u"`, 0)}
		w := httptest.NewRecorder()
		var id mojo.Identity

		srv.EnsureSession(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, "u", srv.Identity(r).UserID)
			if user == "" {
				require.NoError(t, srv.LogOut(w, r))
			} else {
				require.NoError(t, srv.LogIn(w, r, user))
			}
			id = srv.Identity(r)
		})).ServeHTTP(w, cookietest.Request(cookies...))

		require.Equal(t, user, id.UserID)
		require.NotEqual(t, "s", id.SessionID)
		next := srv.Identity(browserAfter(t, cookies, w))
		require.Equal(t, id.SessionID, next.SessionID)
		require.Equal(t, user, next.UserID)
	}
}

// A renewal extends the life of connections with exactly the identity of the
// request, and of no others.
func TestRenewalOfOtherSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := e2e.NewApp()
		_, site := e2e.LoginSite(t, siotest.Memory, h)
		old := func(id string) string { return e2e.SignSession(e2e.Key, `"`+id+`"`, 30*time.Minute) }
		begin := func(cookies ...string) *mojo.Conn {
			e2e.Dial(t, site, "websocket", cookies...).Connect(e2e.ChatNamespace, nil)
			return e2e.Await(t, h.Accepted)
		}
		same, other, loggedIn := begin(old("s")), begin(old("z")), begin(old("s"), e2e.LoginCookie("u"))
		b := e2e.NewBrowser(t, site, old("s"))

		b.Visit("/who")

		require.Equal(t, e2e.MaxAge, time.Until(same.Identity().Expires))
		require.Equal(t, e2e.MaxAge/2, time.Until(other.Identity().Expires))
		require.Equal(t, e2e.MaxAge/2, time.Until(loggedIn.Identity().Expires), "the request has no login")
	})
}
