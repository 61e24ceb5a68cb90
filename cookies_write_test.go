package mojo

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// setCookieNames is what a response sets, in order: "name" for a cookie, "-name" for the removal of one, with
// " at domain" if it has a Domain.
func setCookieNames(t *testing.T, w http.ResponseWriter) []string {
	t.Helper()
	var names []string
	for _, line := range w.Header()["Set-Cookie"] {
		cookie, err := http.ParseSetCookie(line)
		require.NoError(t, err)
		name := cookie.Name
		if cookie.MaxAge < 0 {
			require.Empty(t, cookie.Value)
			name = "-" + name
		}
		if cookie.Domain != "" {
			name += " at " + cookie.Domain
		}
		names = append(names, name)
	}
	return names
}

func TestWrittenCookiesIdentify(t *testing.T) {
	for name, id := range map[string]string{
		"short":   "u",
		"unicode": "żółw 🐢 | ; \" \\ <b>",
		"NUL":     "a\x00b",
		"JSON":    `["u","s"]`,
		"longest": strings.Repeat("x", 1024),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newTestCookies(t, CookieOptions{})
				w := httptest.NewRecorder()
				require.NoError(t, c.SetSession(w, id))
				require.NoError(t, c.SetLogin(w, id))
				time.Sleep(cookieTestMaxAge / 2)

				identity, err := c.Identify(returned(w))

				require.NoError(t, err)
				require.Equal(t, Identity{id, id, time.Now().Add(cookieTestMaxAge / 2)}, identity)
			})
		})
	}
}

func TestIdentityNeverOutlivesItsExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCookies(t, CookieOptions{})
		w := httptest.NewRecorder()
		require.NoError(t, c.SetLogin(w, "u"))
		time.Sleep(cookieTestMaxAge - time.Second)
		identity, _ := c.Identify(returned(w))
		require.Equal(t, "u", identity.UserID)

		time.Sleep(time.Until(identity.Expires))

		identity, _ = c.Identify(returned(w))
		require.Zero(t, identity)
	})
}

func TestBoundLoginHoldsWithItsSessionOnly(t *testing.T) {
	c := newTestCookies(t, CookieOptions{})
	w := httptest.NewRecorder()
	require.NoError(t, c.SetSession(w, "s-1"))
	require.NoError(t, c.setLoginBound(w, "s-1", "u"))
	identity, _ := c.Identify(returned(w))
	require.Equal(t, "u", identity.UserID)

	require.NoError(t, c.SetSession(w, "s-2"))

	identity, _ = c.Identify(returned(w))
	require.Equal(t, "s-2", identity.SessionID)
	require.Empty(t, identity.UserID)
}

func TestLoginCannotBeReadFromItsCookie(t *testing.T) {
	c := newTestCookies(t, CookieOptions{})
	w := httptest.NewRecorder()
	require.NoError(t, c.setLoginBound(w, "the-session", "the-user"))

	text := returned(w).Cookies()[0].Value

	for range 2 { // base64 within base64
		decoded, err := base64.URLEncoding.DecodeString(text)
		require.NoError(t, err)
		require.NotContains(t, string(decoded), "the-")
		text = strings.Split(string(decoded)+"||", "|")[1]
	}
}

func TestIDsThatAreRefused(t *testing.T) {
	c := newTestCookies(t, CookieOptions{})
	for name, test := range map[string]struct {
		set  func(w http.ResponseWriter) error
		want string
	}{
		"long session":   {func(w http.ResponseWriter) error { return c.SetSession(w, strings.Repeat("x", 1025)) }, "mojo: the session id has 1025 bytes; want at most 1024"},
		"long user":      {func(w http.ResponseWriter) error { return c.SetLogin(w, strings.Repeat("x", 1025)) }, "mojo: the user id has 1025 bytes; want at most 1024"},
		"broken session": {func(w http.ResponseWriter) error { return c.SetSession(w, "s\xff") }, "mojo: the session id is not valid UTF-8"},
		"broken user":    {func(w http.ResponseWriter) error { return c.SetLogin(w, "u\xff") }, "mojo: the user id is not valid UTF-8"},
		"many escapes":   {func(w http.ResponseWriter) error { return c.SetLogin(w, strings.Repeat("<", 1024)) }, "mojo: the cookie logged_in would be too long; want at most 4096 bytes, signed and encoded"},
		"zero Cookies":   {func(w http.ResponseWriter) error { return new(Cookies).SetSession(w, "s") }, "mojo: a Cookies without keys cannot write; want one that NewCookies made"},
		"zero, remove":   {func(w http.ResponseWriter) error { return new(Cookies).SetLogin(w, "") }, "mojo: a Cookies without keys cannot write; want one that NewCookies made"},
		"bound to none":  {func(w http.ResponseWriter) error { return c.setLoginBound(w, "", "u") }, "mojo: a login has no user id or no session id; want both"},
		"bound nobody":   {func(w http.ResponseWriter) error { return c.setLoginBound(w, "s", "") }, "mojo: a login has no user id or no session id; want both"},
		"bound, long":    {func(w http.ResponseWriter) error { return c.setLoginBound(w, strings.Repeat("x", 1025), "u") }, "mojo: the session id has 1025 bytes; want at most 1024"},
		"bound, broken":  {func(w http.ResponseWriter) error { return c.setLoginBound(w, "s", "\xff") }, "mojo: the user id is not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()

			err := test.set(w)

			require.EqualError(t, err, test.want)
			require.Empty(t, w.Header())
		})
	}
}

// A name and a value that fit one by one may not fit together: a browser would drop them silently.
func TestCookieTooLongForABrowserIsRefused(t *testing.T) {
	c := newTestCookies(t, CookieOptions{LoginName: strings.Repeat("n", 2500)})

	err := c.SetLogin(httptest.NewRecorder(), strings.Repeat("x", 1024))

	require.ErrorContains(t, err, "would be too long; want at most 4096 bytes")
}

func TestZeroCookiesIdentifyNobody(t *testing.T) {
	identity, err := new(Cookies).Identify(cookieRequest("session_id=s", "=s"))

	require.NoError(t, err)
	require.Zero(t, identity)
}

func TestSetCookieIsReplaced(t *testing.T) {
	for _, domain := range []string{"", "example.com"} {
		at := ""
		if domain != "" {
			at = " at " + domain
		}
		t.Run("domain "+domain, func(t *testing.T) {
			c := newTestCookies(t, CookieOptions{Domain: domain})
			w := httptest.NewRecorder()
			http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
			http.SetCookie(w, &http.Cookie{Name: "session_id2", Value: "x", Path: "/", Domain: domain})
			http.SetCookie(w, &http.Cookie{Name: "session_id", Value: "x", Path: "/elsewhere", Domain: domain})
			http.SetCookie(w, &http.Cookie{Name: "session_id", Value: "x", Path: "/", Domain: "other.example"})
			http.SetCookie(w, &http.Cookie{Name: "session_id", Value: "x", Path: "/", Domain: domain})
			earlier := w.Header()["Set-Cookie"]

			require.NoError(t, c.SetSession(w, "s-1"))
			require.NoError(t, c.SetLogin(w, "u"))
			require.NoError(t, c.setLoginBound(w, "s-2", "u"))
			require.NoError(t, c.SetSession(w, "s-2"))

			require.Equal(t, []string{
				"theme", "session_id2" + at, "session_id" + at, "session_id at other.example", "logged_in" + at, "session_id" + at,
			}, setCookieNames(t, w))
			require.Len(t, earlier, 5, "a slice that was read before stays as it was")
			require.Contains(t, earlier[4], "session_id=x")

			w.Header()["Set-Cookie"] = w.Header()["Set-Cookie"][4:]
			identity, _ := c.Identify(returned(w))
			require.Equal(t, "s-2", identity.SessionID)
			require.Equal(t, "u", identity.UserID)
		})
	}
}

func TestEmptyIDRemovesTheCookie(t *testing.T) {
	for name, test := range map[string]struct {
		domain string
		want   []string
	}{
		"host":   {"", []string{"-logged_in", "-session_id"}},
		"domain": {"example.com", []string{"-logged_in at example.com", "-logged_in", "-session_id at example.com", "-session_id"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCookies(t, CookieOptions{Domain: test.domain})
			w := httptest.NewRecorder()
			require.NoError(t, c.SetSession(w, "s"))
			require.NoError(t, c.SetLogin(w, "u"))

			require.NoError(t, c.SetLogin(w, ""))
			require.NoError(t, c.SetSession(w, ""))

			require.Equal(t, test.want, setCookieNames(t, w))
			identity, _ := c.Identify(returned(w))
			require.Zero(t, identity)
		})
	}

	c := newTestCookies(t, CookieOptions{Path: "/app"})
	w := httptest.NewRecorder()
	require.NoError(t, c.SetLogin(w, ""))
	require.Equal(t, "logged_in=; Path=/app; Max-Age=0; HttpOnly; Secure; SameSite=Lax", w.Header().Get("Set-Cookie"))
}

func TestNewSessionIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := newSessionID()
		raw, err := base64.RawURLEncoding.DecodeString(id)
		require.NoError(t, err)
		require.Len(t, raw, 32)
		seen[id] = true
	}
	require.Len(t, seen, 1000)
}
