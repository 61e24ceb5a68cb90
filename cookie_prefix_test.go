package mojo

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHostPrefix: both cookies have the prefix, and one that another host may have planted does not count.
func TestHostPrefix(t *testing.T) {
	c := newTestCookies(t, CookieOptions{HostPrefix: true})
	w := httptest.NewRecorder()
	require.NoError(t, c.SetSession(w, "s"))
	require.NoError(t, c.SetLogin(w, "u"))

	require.Equal(t, []string{"__Host-session_id", "__Host-logged_in"}, setCookieNames(t, w))
	for _, cookie := range w.Result().Cookies() {
		require.True(t, cookie.Secure)
		require.Equal(t, "/", cookie.Path)
		require.Empty(t, cookie.Domain)
	}
	id, err := c.Identify(returned(w))
	require.NoError(t, err)
	require.Equal(t, "s", id.SessionID)
	require.Equal(t, "u", id.UserID)
	id, err = c.Identify(cookieRequest(inSession("s"), asUser("u")))
	require.NoError(t, err)
	require.Zero(t, id)
}

// TestHostPrefixRefuses what browsers refuse with it.
func TestHostPrefixRefuses(t *testing.T) {
	for name, opts := range map[string]CookieOptions{
		"insecure": {Insecure: true}, "domain": {Domain: "example.com"}, "path": {Path: "/app"},
	} {
		opts.Keys, opts.HostPrefix = []Key{NewKey()}, true

		_, err := NewCookies(opts)

		require.ErrorContains(t, err, "CookieOptions.HostPrefix", name)
	}
}
