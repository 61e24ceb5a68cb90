package mojo

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Key is one generation of the secrets of the cookies: Hash, of at least 32
// bytes, signs both cookies (HMAC-SHA256), and Block, of 16, 24 or 32 bytes,
// encrypts the login (AES).
//
// A Key must outlive the process, or every restart logs everybody out: make it
// once with [NewKey] and keep it with the site's other secrets. It marshals to
// JSON with both fields in base64. Package fmt prints it without its content,
// and so does log/slog if it is the value of an attribute. [NewCookies] refuses
// the zero value.
type Key struct{ Hash, Block []byte }

// NewKey returns a random Key with a Hash and a Block of 32 bytes each.
func NewKey() Key {
	key := Key{Hash: make([]byte, 32), Block: make([]byte, 32)}
	rand.Read(key.Hash)
	rand.Read(key.Block)
	return key
}

// Format implements [fmt.Formatter]: with any verb, a Key prints without its
// content.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "mojo.Key(redacted)") }

// LogValue implements [slog.LogValuer]: a Key is logged without its content.
func (k Key) LogValue() slog.Value { return slog.StringValue("mojo.Key(redacted)") }

// CookieOptions says how [NewCookies] makes cookies. Only Keys is required.
type CookieOptions struct {
	// Keys are the secrets, newest first: the first one writes, all of them
	// read. To change keys, put a new one in front, and remove an old one when
	// MaxAge has passed: meanwhile [Server.EnsureSession] has written the
	// cookies of all visitors anew with the first key. No two may have the same
	// Hash.
	Keys []Key

	// SessionName and LoginName are the names of the two cookies. "":
	// "session_id" and "logged_in". They must differ and must not contain "|".
	// Names with the prefixes __Host- and __Secure- must fulfil the browsers'
	// rules for these.
	SessionName, LoginName string

	// HostPrefix puts __Host- in front of both names, as in __Host-session_id,
	// and is recommended. Browsers accept such a cookie only from the host
	// itself over https, so no other host of the domain can plant one.
	// NewCookies returns an error if Insecure or Domain is set or Path is not
	// "/". Cookies without the prefix are not read any more, so people have to
	// log in again.
	HostPrefix bool

	// Path is the path of the cookies. "": "/". It must begin with "/". The
	// Server has to be mounted below it, or browsers send it no cookies: with
	// "/app" at /app/socket.io/, which pages name by the client's option path.
	Path string

	// Domain makes the cookies visible to a domain and everything below it. "":
	// browsers send them only to the host that set them, which is safest. After
	// a change of Path or Domain a browser may have the cookies twice: see
	// [Cookies.Identify] for which of them are used, and [Server.LogIn], which
	// removes the others.
	Domain string

	// MaxAge is how long a cookie is valid after it was written, in whole
	// seconds, for the browser and for the signed date. 0: 30 days. Some
	// browsers remove a cookie after 400 days, however long MaxAge is.
	MaxAge time.Duration

	// Insecure leaves out the Secure attribute, so that cookies also travel
	// over plain HTTP. It is meant for development.
	Insecure bool

	// SameSite is the attribute of that name. 0 and http.SameSiteDefaultMode:
	// [http.SameSiteLaxMode]. http.SameSiteNoneMode and Insecure exclude each
	// other.
	SameSite http.SameSite

	// Tornado also reads cookies that a Python site on Tornado has set. If it
	// is nil, these are invalid.
	Tornado *TornadoCookies
}

// TornadoCookies lets a [Cookies] also read the cookies of a Python site on
// Tornado, which its set_secure_cookie (now set_signed_cookie) writes under
// SessionName and LoginName. The signed text is the id; an empty one in the
// login cookie means that nobody is logged in.
//
// It is for a Go service beside a Python site, and for moving from one to the
// other. Tornado's cookies differ from mojo's own:
//
//   - They are only read. Tornado refuses cookies that mojo writes, so while
//     both serve the same browsers only the Python site should set these
//     cookies, and a [Server] beside it should not use EnsureSession, LogIn and
//     LogOut. When mojo takes over, EnsureSession writes the cookies of its
//     visitors anew, and these replace Tornado's if name, Path and Domain are
//     the same.
//   - They are signed, not encrypted: somebody who has the browser can read the
//     user id.
//   - The login is not bound to a session: it is valid with any session, and
//     with none.
//   - CookieOptions.MaxAge corresponds to Tornado's max_age_days, counted from
//     the date that was signed. Tornado's default is 31 days, mojo's is 30.
//
// Anybody who has a secret can write cookies that are valid here. Package fmt
// prints a TornadoCookies without its content, and so does log/slog if it is
// the value of an attribute. NewCookies refuses the zero value.
type TornadoCookies struct {
	// Secrets are the secrets of cookies in version 2, the format of Tornado
	// since 3.2.1: its setting cookie_secret, by key version. For a site whose
	// cookie_secret is one string it is map[int]string{0: secret}. Each has at
	// least 16 bytes. If it is empty, version 2 is not read.
	Secrets map[int]string

	// Version1Secret is the secret of cookies in version 1, the format before
	// that. It should be empty unless such cookies are still in use; then
	// version 1 is not read.
	//
	// Tornado retired version 1 because it is weak. It signs with HMAC-SHA1,
	// and name, value and date without a separator: the signature of a cookie
	// whose name begins with SessionName or LoginName, or the other way round,
	// may also be valid for ours. A site that lets its visitors choose the
	// value of such a cookie must not use version 1, and neither of the two
	// names may begin with the other.
	Version1Secret string
}

// Format implements [fmt.Formatter]: with any verb, a TornadoCookies prints
// without its content.
func (t TornadoCookies) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "mojo.TornadoCookies(redacted)")
}

// LogValue implements [slog.LogValuer]: a TornadoCookies is logged without its
// content.
func (t TornadoCookies) LogValue() slog.Value {
	return slog.StringValue("mojo.TornadoCookies(redacted)")
}

const minTornadoSecret = 16 // bytes

// fillIn replaces zero fields by their defaults.
func (o *CookieOptions) fillIn() {
	if o.SessionName == "" {
		o.SessionName = "session_id"
	}
	if o.LoginName == "" {
		o.LoginName = "logged_in"
	}
	if o.HostPrefix {
		o.SessionName, o.LoginName = "__Host-"+o.SessionName, "__Host-"+o.LoginName
	}
	if o.Path == "" {
		o.Path = "/"
	}
	if o.MaxAge == 0 {
		o.MaxAge = 30 * 24 * time.Hour
	}
	if o.SameSite == 0 || o.SameSite == http.SameSiteDefaultMode {
		o.SameSite = http.SameSiteLaxMode
	}
}

// check returns an error for options without zero fields that break a rule.
func (o *CookieOptions) check() error {
	if len(o.Keys) == 0 {
		return errors.New("mojo: CookieOptions.Keys is empty; want at least one key, see NewKey")
	}
	for i, key := range o.Keys {
		if n := len(key.Hash); n < 32 {
			return fmt.Errorf("mojo: CookieOptions.Keys[%d].Hash has %d bytes; want at least 32", i, n)
		}
		if n := len(key.Block); n != 16 && n != 24 && n != 32 {
			return fmt.Errorf("mojo: CookieOptions.Keys[%d].Block has %d bytes; want 16, 24 or 32", i, n)
		}
		// Only the signature shows which key has encrypted a cookie. If two
		// keys had the same hash, a login could be decrypted with the wrong
		// block, to the id of another user.
		for j := range i {
			if bytes.Equal(key.Hash, o.Keys[j].Hash) {
				return fmt.Errorf("mojo: CookieOptions.Keys[%d].Hash is that of Keys[%d]; want a Hash of its own", i, j)
			}
		}
	}
	if o.HostPrefix && (o.Insecure || o.Domain != "" || o.Path != "/") {
		return errors.New("mojo: CookieOptions.HostPrefix is set; want neither Insecure nor Domain, and no Path other than /")
	}
	if err := o.checkName("SessionName", o.SessionName); err != nil {
		return err
	}
	if err := o.checkName("LoginName", o.LoginName); err != nil {
		return err
	}
	if o.SessionName == o.LoginName {
		return fmt.Errorf("mojo: CookieOptions.SessionName and LoginName are both %q; want two names", o.LoginName)
	}
	if o.Path[0] != '/' || (&http.Cookie{Name: "x", Path: o.Path}).Valid() != nil {
		return fmt.Errorf("mojo: CookieOptions.Path is %q; want a path that begins with / and has no ; in it", o.Path)
	}
	if (&http.Cookie{Name: "x", Domain: o.Domain}).Valid() != nil {
		return fmt.Errorf("mojo: CookieOptions.Domain is %q; want a domain name", o.Domain)
	}
	if o.MaxAge < time.Second || o.MaxAge%time.Second != 0 || o.MaxAge/time.Second > math.MaxInt32 {
		return fmt.Errorf("mojo: CookieOptions.MaxAge is %v; want whole seconds, from 1 to %d", o.MaxAge, math.MaxInt32)
	}
	switch o.SameSite {
	case http.SameSiteLaxMode, http.SameSiteStrictMode:
	case http.SameSiteNoneMode:
		if o.Insecure {
			return errors.New("mojo: CookieOptions.SameSite is None and Insecure is set; browsers refuse such cookies")
		}
	default:
		return fmt.Errorf("mojo: CookieOptions.SameSite is %d; want Lax, Strict or None of net/http", o.SameSite)
	}
	if o.Tornado != nil {
		return o.Tornado.check(o)
	}
	return nil
}

func (o *CookieOptions) checkName(field, name string) error {
	// The signed text is "name|date|content". A | in the name would make it
	// ambiguous.
	if (&http.Cookie{Name: name}).Valid() != nil || strings.Contains(name, "|") {
		return fmt.Errorf("mojo: CookieOptions.%s is %q; want a cookie name: letters, digits, - and _", field, name)
	}
	switch lower := strings.ToLower(name); {
	case strings.HasPrefix(lower, "__secure-") && o.Insecure:
		return fmt.Errorf("mojo: CookieOptions.%s is %q; browsers refuse it with Insecure", field, name)
	case strings.HasPrefix(lower, "__host-") && (o.Insecure || o.Domain != "" || o.Path != "/"):
		return fmt.Errorf("mojo: CookieOptions.%s is %q; browsers refuse it with Insecure, with a Domain and with a Path other than /", field, name)
	}
	return nil
}

func (t *TornadoCookies) check(o *CookieOptions) error {
	if len(t.Secrets) == 0 && t.Version1Secret == "" {
		return errors.New("mojo: CookieOptions.Tornado has no secret; want Secrets, Version1Secret or both")
	}
	for _, version := range slices.Sorted(maps.Keys(t.Secrets)) {
		if version < 0 {
			return fmt.Errorf("mojo: CookieOptions.Tornado.Secrets has the key version %d; want 0 or more", version)
		}
		if n := len(t.Secrets[version]); n < minTornadoSecret {
			return fmt.Errorf("mojo: CookieOptions.Tornado.Secrets[%d] has %d bytes; want at least %d", version, n, minTornadoSecret)
		}
	}
	if t.Version1Secret == "" {
		return nil
	}
	if n := len(t.Version1Secret); n < minTornadoSecret {
		return fmt.Errorf("mojo: CookieOptions.Tornado.Version1Secret has %d bytes; want none or at least %d", n, minTornadoSecret)
	}
	if strings.HasPrefix(o.SessionName, o.LoginName) || strings.HasPrefix(o.LoginName, o.SessionName) {
		return fmt.Errorf("mojo: CookieOptions.SessionName is %q and LoginName is %q; with Tornado.Version1Secret neither may begin with the other",
			o.SessionName, o.LoginName)
	}
	return nil
}
