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

	"github.com/mojosocket/mojo/internal/e2e/cookietest"
)

// setCookieNames returns the cookies that a response sets, in order: "name" for
// a cookie, "-name" for the removal of one, with " at domain" if it has a
// Domain.
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

				identity, err := c.Identify(cookietest.NextRequest(w))

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
		identity, _ := c.Identify(cookietest.NextRequest(w))
		require.Equal(t, "u", identity.UserID)

		time.Sleep(time.Until(identity.Expires))

		identity, _ = c.Identify(cookietest.NextRequest(w))
		require.Zero(t, identity)
	})
}

func TestBoundLoginNeedsItsSession(t *testing.T) {
	c := newTestCookies(t, CookieOptions{})
	w := httptest.NewRecorder()
	require.NoError(t, c.SetSession(w, "s-1"))
	require.NoError(t, c.setLoginBound(w, "s-1", "u"))
	identity, _ := c.Identify(cookietest.NextRequest(w))
	require.Equal(t, "u", identity.UserID)

	require.NoError(t, c.SetSession(w, "s-2"))

	identity, _ = c.Identify(cookietest.NextRequest(w))
	require.Equal(t, "s-2", identity.SessionID)
	require.Empty(t, identity.UserID)
}

func TestLoginCannotBeReadFromItsCookie(t *testing.T) {
	c := newTestCookies(t, CookieOptions{})
	w := httptest.NewRecorder()
	require.NoError(t, c.setLoginBound(w, "the-session", "the-user"))

	text := cookietest.NextRequest(w).Cookies()[0].Value

	for range 2 { // the text is encoded in base64 twice
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
		"long session":      {func(w http.ResponseWriter) error { return c.SetSession(w, strings.Repeat("x", 1025)) }, "mojo: the session id has 1025 bytes; want at most 1024"},
		"long user":         {func(w http.ResponseWriter) error { return c.SetLogin(w, strings.Repeat("x", 1025)) }, "mojo: the user id has 1025 bytes; want at most 1024"},
		"broken session":    {func(w http.ResponseWriter) error { return c.SetSession(w, "s\xff") }, "mojo: the session id is not valid UTF-8"},
		"broken user":       {func(w http.ResponseWriter) error { return c.SetLogin(w, "u\xff") }, "mojo: the user id is not valid UTF-8"},
		"many escapes":      {func(w http.ResponseWriter) error { return c.SetLogin(w, strings.Repeat("<", 1024)) }, "mojo: the cookie logged_in would be too long; want at most 4096 bytes, signed and encoded"},
		"zero Cookies":      {func(w http.ResponseWriter) error { return new(Cookies).SetSession(w, "s") }, "mojo: a Cookies without keys cannot write; want one that NewCookies made"},
		"zero, remove":      {func(w http.ResponseWriter) error { return new(Cookies).SetLogin(w, "") }, "mojo: a Cookies without keys cannot write; want one that NewCookies made"},
		"bound, no session": {func(w http.ResponseWriter) error { return c.setLoginBound(w, "", "u") }, "mojo: a login has no user id or no session id; want both"},
		"bound, no user":    {func(w http.ResponseWriter) error { return c.setLoginBound(w, "s", "") }, "mojo: a login has no user id or no session id; want both"},
		"bound, long":       {func(w http.ResponseWriter) error { return c.setLoginBound(w, strings.Repeat("x", 1025), "u") }, "mojo: the session id has 1025 bytes; want at most 1024"},
		"bound, broken":     {func(w http.ResponseWriter) error { return c.setLoginBound(w, "s", "\xff") }, "mojo: the user id is not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()

			err := test.set(w)

			require.EqualError(t, err, test.want)
			require.Empty(t, w.Header())
		})
	}
}

// A long name and a long value can each be allowed and exceed the limit
// together. A browser would drop the cookie silently.
func TestCookieTooLongForABrowserIsRefused(t *testing.T) {
	c := newTestCookies(t, CookieOptions{LoginName: strings.Repeat("n", 2500)})

	err := c.SetLogin(httptest.NewRecorder(), strings.Repeat("x", 1024))

	require.ErrorContains(t, err, "would be too long; want at most 4096 bytes")
}

func TestZeroCookiesIdentifyNobody(t *testing.T) {
	identity, err := new(Cookies).Identify(cookietest.Request("session_id=s", "=s"))

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
			identity, _ := c.Identify(cookietest.NextRequest(w))
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
			identity, _ := c.Identify(cookietest.NextRequest(w))
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

// FuzzCookies reads any Cookie header. Every id of the identity must be in a
// cookie that was signed with the key for that id.
func FuzzCookies(f *testing.F) {
	const date = 1_700_000_000 // constant, so that stored inputs stay valid
	c := newTestCookies(f, CookieOptions{MaxAge: 50 * 365 * 24 * time.Hour})
	signKey := Key{Hash: cookieTestKey.Hash}
	sessions := map[string]string{ // by id
		"s-1": cookieText(signKey, "session_id", `"s-1"`, date),
		"s-2": cookieText(Key{Hash: cookieOldKey.Hash}, "session_id", `"s-2"`, date),
	}
	alone := cookieText(cookieTestKey, "logged_in", `"u-1"`, date)
	bound := cookieText(cookieTestKey, "logged_in", `["u-2","s-1"]`, date)
	seeds := []string{
		"", ";", "session_id", "session_id=", "=", "session_id=;logged_in=", "session_id=MXx4fHg=", `session_id="`,
		"session_id=" + sessions["s-1"],
		"session_id=" + sessions["s-2"] + "; logged_in=" + alone,
		"logged_in=" + alone,
		"logged_in=" + bound,
		"logged_in=" + bound + ";session_id=" + sessions["s-1"],
		"logged_in=" + bound + ";session_id=" + sessions["s-2"],
		"session_id=" + sessions["s-1"] + ";session_id=" + sessions["s-2"],
		"session_id=" + alone + ";logged_in=" + sessions["s-1"],
		"logged_in=" + alone + ";logged_in=" + bound + ";session_id=" + sessions["s-1"],
		"session_id=" + cookieText(signKey, "session_id", `{"a":[null]}`, date),
		"session_id=" + cookieText(signKey, "other", `"s-3"`, date),
		"session_id=" + cookieText(cookieUnknownKey, "session_id", `"s-3"`, date),
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		identity, err := c.Identify(&http.Request{Header: http.Header{"Cookie": {header}}})

		require.NoError(t, err)
		if id := identity.SessionID; id != "" {
			require.Contains(t, sessions, id)
			require.Contains(t, header, "session_id")
			require.Contains(t, header, sessions[id])
		}
		switch identity.UserID {
		case "":
		case "u-1":
			require.Contains(t, header, alone)
		case "u-2":
			require.Contains(t, header, bound)
			require.Equal(t, "s-1", identity.SessionID)
		default:
			t.Fatalf("%+v was not signed", identity)
		}
		if identity.SessionID == "" && identity.UserID == "" {
			require.Zero(t, identity)
		} else {
			require.Equal(t, time.Unix(date, 0).Add(50*365*24*time.Hour), identity.Expires)
		}
	})
}

// FuzzCookieIDs writes two ids. They are refused, or Identify returns them
// unchanged.
func FuzzCookieIDs(f *testing.F) {
	c := newTestCookies(f, CookieOptions{})
	for _, seed := range [][2]string{
		{"s", "u"},
		{"", ""},
		{`"`, `["u","s"]`},
		{"\x00", "\xff"},
		{"\u2028", "\ufffd"},
		{strings.Repeat("s", 1024), strings.Repeat("\x01", 1024)},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, sessionID, userID string) {
		w := make(cookieResponse)
		if c.SetSession(w, sessionID) != nil || c.setLoginBound(w, sessionID, userID) != nil {
			t.Skip("the cookies refuse these ids")
		}

		identity, _ := c.Identify(cookietest.NextRequest(w))

		require.Equal(t, sessionID, identity.SessionID)
		require.Equal(t, userID, identity.UserID)
	})
}

// cookieResponse is a ResponseWriter that only has a header.
type cookieResponse http.Header

func (w cookieResponse) Header() http.Header         { return http.Header(w) }
func (w cookieResponse) Write(p []byte) (int, error) { return len(p), nil }
func (w cookieResponse) WriteHeader(int)             {}
