package mojo

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"
)

// Key is one generation of the secrets behind the cookies: Hash, of at least 32 bytes, signs both
// cookies (HMAC-SHA256), and Block, of 16, 24 or 32 bytes, encrypts the login (AES).
//
// A Key must outlive the process, or every restart logs everybody out: make it once with [NewKey] and
// keep it with the site's other secrets. It marshals to JSON with both fields in base64. Package fmt
// prints it without its content, and so does log/slog where it is the value of an attribute.
// The zero value is no key: [NewCookies] refuses it.
type Key struct{ Hash, Block []byte }

// NewKey returns a random Key with a Hash and a Block of 32 bytes each.
func NewKey() Key {
	key := Key{Hash: make([]byte, 32), Block: make([]byte, 32)}
	rand.Read(key.Hash)
	rand.Read(key.Block)
	return key
}

// Format implements [fmt.Formatter]: whatever the verb, a Key prints without its content.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "mojo.Key(redacted)") }

// LogValue implements [slog.LogValuer]: a Key is logged without its content.
func (k Key) LogValue() slog.Value { return slog.StringValue("mojo.Key(redacted)") }

// CookieOptions says how [NewCookies] makes cookies. Only Keys is required.
type CookieOptions struct {
	// Keys are the secrets, newest first: the first one writes, all of them read. To change keys, put
	// a new one in front, and take an old one out once MaxAge has passed: [Server.EnsureSession] has
	// written the cookies of whoever came by meanwhile anew with the first. No two may share a Hash.
	Keys []Key

	// SessionName and LoginName name the two cookies: "session_id" and "logged_in" if empty. They
	// must differ and must not contain "|". The prefixes __Host- and __Secure- are held to the
	// browsers' rules for them.
	SessionName, LoginName string

	// HostPrefix puts __Host- in front of both names, as in __Host-session_id, and is recommended.
	// Browsers accept such a cookie from the host itself over https and from nobody else, so no other
	// host of the domain can plant one. NewCookies returns an error if Insecure or Domain is set or
	// Path is not "/". Cookies without the prefix are not read any more: people log in once more.
	HostPrefix bool

	// Path is the cookies' path, "/" if empty. It must begin with "/". The Server has to
	// be mounted below it, or its connections come without the cookies: with "/app" at
	// /app/socket.io/, which pages name by the client's option path.
	Path string

	// Domain makes the cookies visible to a domain and everything below it. If it is empty, browsers
	// send them to the host that set them and to no other, which is the safest. After a change of Path
	// or Domain a browser may have the cookies twice: see [Cookies.Identify] for which of them count,
	// and [Server.LogIn], which removes the others.
	Domain string

	// MaxAge is how long a cookie is good for after it was written: 30 days if zero. It is in whole
	// seconds, and holds for the browser and for the signed date alike. Some browsers forget a cookie
	// after 400 days, however long MaxAge is.
	MaxAge time.Duration

	// Insecure leaves out the Secure attribute, so that cookies also travel over plain HTTP. It is
	// meant for development.
	Insecure bool

	// SameSite is [http.SameSiteLaxMode] if it is zero or http.SameSiteDefaultMode.
	// http.SameSiteNoneMode and Insecure exclude each other.
	SameSite http.SameSite

	// Tornado also reads cookies that a Python site on Tornado has set. If it is nil, they count as
	// forged.
	Tornado *TornadoCookies
}

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

// check holds options without zero fields against their rules.
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
		// The signature alone tells which key a cookie was encrypted with: with two blocks to one hash
		// a login could decrypt to another user's id.
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
	// What is signed is "name|date|content": a | in the name would blur it.
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
