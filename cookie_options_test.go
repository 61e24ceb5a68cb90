package mojo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e/cookietest"
)

func TestNewCookiesRefuses(t *testing.T) {
	good := []Key{cookieTestKey}
	keys := func(hash, block int) []Key {
		return []Key{cookieOldKey, {Hash: make([]byte, hash), Block: make([]byte, block)}}
	}
	for name, test := range map[string]struct {
		opts CookieOptions
		want string
	}{
		"no key":      {CookieOptions{}, "mojo: CookieOptions.Keys is empty; want at least one key, see NewKey"},
		"zero key":    {CookieOptions{Keys: []Key{{}}}, "mojo: CookieOptions.Keys[0].Hash has 0 bytes; want at least 32"},
		"short hash":  {CookieOptions{Keys: keys(31, 32)}, "mojo: CookieOptions.Keys[1].Hash has 31 bytes; want at least 32"},
		"no block":    {CookieOptions{Keys: keys(32, 0)}, "mojo: CookieOptions.Keys[1].Block has 0 bytes; want 16, 24 or 32"},
		"block of 20": {CookieOptions{Keys: keys(32, 20)}, "mojo: CookieOptions.Keys[1].Block has 20 bytes; want 16, 24 or 32"},
		"long block":  {CookieOptions{Keys: keys(32, 64)}, "mojo: CookieOptions.Keys[1].Block has 64 bytes; want 16, 24 or 32"},
		"shared hash": {CookieOptions{Keys: []Key{cookieTestKey, {cookieTestKey.Hash, cookieOldKey.Block}}}, "mojo: CookieOptions.Keys[1].Hash is that of Keys[0]; want a Hash of its own"},

		"name with space":     {CookieOptions{Keys: good, SessionName: "a b"}, `mojo: CookieOptions.SessionName is "a b"; want a cookie name: letters, digits, - and _`},
		"name with =":         {CookieOptions{Keys: good, LoginName: "a="}, `mojo: CookieOptions.LoginName is "a="; want a cookie name: letters, digits, - and _`},
		"name with |":         {CookieOptions{Keys: good, LoginName: "a|1"}, `mojo: CookieOptions.LoginName is "a|1"; want a cookie name: letters, digits, - and _`},
		"same names":          {CookieOptions{Keys: good, LoginName: "session_id"}, `mojo: CookieOptions.SessionName and LoginName are both "session_id"; want two names`},
		"__Secure-, Insecure": {CookieOptions{Keys: good, LoginName: "__Secure-u", Insecure: true}, `mojo: CookieOptions.LoginName is "__Secure-u"; browsers refuse it with Insecure`},
		"__Host-, Domain":     {CookieOptions{Keys: good, SessionName: "__host-s", Domain: "example.com"}, `mojo: CookieOptions.SessionName is "__host-s"; browsers refuse it with Insecure, with a Domain and with a Path other than /`},
		"__Host-, Path":       {CookieOptions{Keys: good, SessionName: "__Host-s", Path: "/a"}, `mojo: CookieOptions.SessionName is "__Host-s"; browsers refuse it with Insecure, with a Domain and with a Path other than /`},

		"relative path":    {CookieOptions{Keys: good, Path: "a"}, `mojo: CookieOptions.Path is "a"; want a path that begins with / and has no ; in it`},
		"path with ;":      {CookieOptions{Keys: good, Path: "/; Domain=x"}, `mojo: CookieOptions.Path is "/; Domain=x"; want a path that begins with / and has no ; in it`},
		"domain with path": {CookieOptions{Keys: good, Domain: "example.com/a"}, `mojo: CookieOptions.Domain is "example.com/a"; want a domain name`},
		"domain of dots":   {CookieOptions{Keys: good, Domain: "..a"}, `mojo: CookieOptions.Domain is "..a"; want a domain name`},

		"negative age":   {CookieOptions{Keys: good, MaxAge: -time.Hour}, "mojo: CookieOptions.MaxAge is -1h0m0s; want whole seconds, from 1 to 2147483647"},
		"sub-second age": {CookieOptions{Keys: good, MaxAge: 999 * time.Millisecond}, "mojo: CookieOptions.MaxAge is 999ms; want whole seconds, from 1 to 2147483647"},
		"fractional age": {CookieOptions{Keys: good, MaxAge: 1500 * time.Millisecond}, "mojo: CookieOptions.MaxAge is 1.5s; want whole seconds, from 1 to 2147483647"},
		"age too long":   {CookieOptions{Keys: good, MaxAge: 1<<63 - 1 - 854775807}, "mojo: CookieOptions.MaxAge is 2562047h47m16s; want whole seconds, from 1 to 2147483647"},

		"None, Insecure": {CookieOptions{Keys: good, SameSite: http.SameSiteNoneMode, Insecure: true}, "mojo: CookieOptions.SameSite is None and Insecure is set; browsers refuse such cookies"},
		"SameSite":       {CookieOptions{Keys: good, SameSite: 9}, "mojo: CookieOptions.SameSite is 9; want Lax, Strict or None of net/http"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := NewCookies(test.opts)

			require.EqualError(t, err, test.want)
			require.Nil(t, c)
		})
	}
}

func TestCookieAttributes(t *testing.T) {
	for name, test := range map[string]struct {
		opts          CookieOptions
		session, rest string
	}{
		"defaults":     {CookieOptions{}, "session_id", "; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax"},
		"default mode": {CookieOptions{SameSite: http.SameSiteDefaultMode}, "session_id", "; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax"},
		"development":  {CookieOptions{Insecure: true}, "session_id", "; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"},
		"other site":   {CookieOptions{SameSite: http.SameSiteNoneMode}, "session_id", "; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=None"},
		"host":         {CookieOptions{SessionName: "__Host-s"}, "__Host-s", "; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax"},
		"all": {
			CookieOptions{SessionName: "s", Path: "/app", Domain: ".example.com", MaxAge: time.Second, SameSite: http.SameSiteStrictMode},
			"s", "; Path=/app; Domain=example.com; Max-Age=1; HttpOnly; Secure; SameSite=Strict",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.opts.Keys = []Key{cookieTestKey}
			c, err := NewCookies(test.opts)
			require.NoError(t, err)
			w := httptest.NewRecorder()

			require.NoError(t, c.SetSession(w, "s"))

			line := w.Header().Get("Set-Cookie")
			require.Regexp(t, "^"+test.session+"=[A-Za-z0-9_=-]+; ", line)
			require.True(t, strings.HasSuffix(line, test.rest), line)
		})
	}
}

func TestNewKeyIsUsableAndNew(t *testing.T) {
	first, second := NewKey(), NewKey()

	require.NotEqual(t, first.Hash, second.Hash)
	require.NotEqual(t, first.Block, second.Block)
	require.NotEqual(t, first.Hash, first.Block)
	_, err := NewCookies(CookieOptions{Keys: []Key{first, second}})
	require.NoError(t, err)
}

func TestKeyIsPrintedWithoutItsContent(t *testing.T) {
	secret := Key{Hash: bytes.Repeat([]byte("hash"), 8), Block: bytes.Repeat([]byte("bloc"), 8)}
	opts := CookieOptions{Keys: []Key{secret}}
	c := newTestCookies(t, opts)
	leaks := []string{"hash", "bloc", "104, 97", "104 97", "68617368", "0x68", "aGFzaG", "Ymxv"}

	type holder struct {
		pointer *Cookies
		value   Cookies
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t"} {
		for _, value := range []any{secret, &secret, opts, &opts, *c, c, holder{c, *c}, &holder{c, *c}} {
			printed := fmt.Sprintf(verb, value)
			for _, leak := range leaks {
				require.NotContains(t, printed, leak, verb)
			}
		}
	}

	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", secret, "opts", opts, "cookies", c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", secret, "cookies", c)
	for _, leak := range leaks {
		require.NotContains(t, log.String(), leak)
	}
	require.Contains(t, log.String(), "mojo.Key(redacted)")
}

func TestKeyMarshalsToJSON(t *testing.T) {
	key := NewKey()
	text, err := json.Marshal(key)
	require.NoError(t, err)

	var got Key
	require.NoError(t, json.Unmarshal(text, &got))

	require.Equal(t, key, got)
}

// With HostPrefix both cookies have the prefix, and cookies without it give no
// identity.
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
	id, err := c.Identify(cookietest.NextRequest(w))
	require.NoError(t, err)
	require.Equal(t, "s", id.SessionID)
	require.Equal(t, "u", id.UserID)
	id, err = c.Identify(cookietest.Request(sessionCookie(cookieTestKey, `"s"`, 0), loginCookie(cookieTestKey, `"u"`, 0)))
	require.NoError(t, err)
	require.Zero(t, id)
}

// NewCookies refuses HostPrefix with options with which browsers would drop the
// cookies.
func TestHostPrefixRefuses(t *testing.T) {
	for name, opts := range map[string]CookieOptions{
		"insecure": {Insecure: true}, "domain": {Domain: "example.com"}, "path": {Path: "/app"},
	} {
		opts.Keys, opts.HostPrefix = []Key{NewKey()}, true

		_, err := NewCookies(opts)

		require.ErrorContains(t, err, "CookieOptions.HostPrefix", name)
	}
}
