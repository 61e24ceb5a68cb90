package e2e

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
)

// MaxAge is the lifetime of the cookies of NewCookies.
const MaxAge = time.Hour

// The Cookies of NewCookies sign with Key, and accept Key and OldKey. They
// refuse UnknownKey.
var (
	Key        = mojo.Key{Hash: bytes.Repeat([]byte("h"), 32), Block: bytes.Repeat([]byte("b"), 32)}
	OldKey     = mojo.Key{Hash: bytes.Repeat([]byte("o"), 64), Block: bytes.Repeat([]byte("p"), 16)}
	UnknownKey = mojo.Key{Hash: bytes.Repeat([]byte("f"), 32), Block: bytes.Repeat([]byte("g"), 32)}
)

// NewCookies is mojo.NewCookies. If opts has no keys or no MaxAge, it adds
// them.
func NewCookies(t testing.TB, opts mojo.CookieOptions) *mojo.Cookies {
	t.Helper()
	if opts.Keys == nil {
		opts.Keys = []mojo.Key{Key, OldKey}
	}
	if opts.MaxAge == 0 {
		opts.MaxAge = MaxAge
	}
	c, err := mojo.NewCookies(opts)
	require.NoError(t, err)
	return c
}

// SessionCookie returns a valid session cookie, name=value.
func SessionCookie(id string) string { return SignSession(Key, `"`+id+`"`, 0) }

// LoginCookie returns a valid login cookie, name=value, which is bound to no
// session.
func LoginCookie(id string) string { return SignLogin(Key, `"`+id+`"`, 0) }

// SignSession returns a session cookie, name=value. Its JSON is content, and it
// was signed age ago.
func SignSession(key mojo.Key, content string, age time.Duration) string {
	return "session_id=" + cookietest.Text(key.Hash, nil, "session_id", content, time.Now().Add(-age).Unix())
}

// SignLogin returns a login cookie, name=value. Its JSON is content, and it was
// signed age ago.
func SignLogin(key mojo.Key, content string, age time.Duration) string {
	return "logged_in=" + cookietest.Text(key.Hash, key.Block, "logged_in", content, time.Now().Add(-age).Unix())
}

// CookieHeader returns the headers of a request with these cookies, each
// name=value.
func CookieHeader(cookies ...string) http.Header {
	if len(cookies) == 0 {
		return nil
	}
	return http.Header{"Cookie": {strings.Join(cookies, "; ")}}
}
