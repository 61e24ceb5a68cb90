package mojo

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzCookies sends any Cookie header. Whoever is identified must have sent the very text that a holder of
// the key signed for that id.
func FuzzCookies(f *testing.F) {
	const date = 1_700_000_000 // fixed, so that inputs found once stay meaningful
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
		"session_id=" + cookieText(cookieForeign, "session_id", `"s-3"`, date),
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
			t.Fatalf("nobody signed %+v", identity)
		}
		if identity.SessionID == "" && identity.UserID == "" {
			require.Zero(t, identity)
		} else {
			require.Equal(t, time.Unix(date, 0).Add(50*365*24*time.Hour), identity.Expires)
		}
	})
}

// FuzzCookieIDs writes any two ids and reads them back as they were, or is refused.
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
			t.Skip()
		}

		identity, _ := c.Identify(returned(w))

		require.Equal(t, sessionID, identity.SessionID)
		require.Equal(t, userID, identity.UserID)
	})
}

// cookieResponse is a ResponseWriter of headers alone.
type cookieResponse http.Header

func (w cookieResponse) Header() http.Header         { return http.Header(w) }
func (w cookieResponse) Write(p []byte) (int, error) { return len(p), nil }
func (w cookieResponse) WriteHeader(int)             {}
