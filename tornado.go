package mojo

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const minTornadoSecret = 16 // bytes

// TornadoCookies lets a [Cookies] also read the cookies of a Python site on Tornado: what its
// set_secure_cookie (now set_signed_cookie) writes under SessionName and LoginName. The text that was
// signed is the id, as it is; an empty one in the login cookie means that nobody is logged in.
//
// It is for a Go service beside a Python site, or on the way from one to the other. Some things differ
// from mojo's own cookies:
//
//   - They are only read. What mojo writes Tornado refuses, so while both serve the same browsers the
//     Python site alone should set these cookies, and a [Server] beside it should do without EnsureSession,
//     LogIn and LogOut. Where mojo takes over, EnsureSession writes the cookies of its visitors anew, and
//     these replace Tornado's if name, Path and Domain are the same.
//   - They are signed, not encrypted: whoever has the browser can read the user id.
//   - The login is not bound to a session: it holds whatever session comes with it, or with none.
//   - CookieOptions.MaxAge stands for Tornado's max_age_days, counted from the date that was signed.
//     Tornado's default there is 31 days, mojo's is 30.
//
// Whoever has a secret can write cookies that are taken here. Package fmt prints a TornadoCookies without
// its content, and so does log/slog where it is the value of an attribute.
type TornadoCookies struct {
	// Secrets are those of cookies in version 2, the format of Tornado since 3.2.1: its setting
	// cookie_secret, by key version. For a site whose cookie_secret is one string that is
	// map[int]string{0: secret}. Each has at least 16 bytes. If it is empty, version 2 is not read.
	Secrets map[int]string

	// Version1Secret is the secret of cookies in version 1, the format before that. If it is empty, as it
	// should be unless such cookies are still around, version 1 is not read.
	//
	// Tornado retired version 1 because it is weak. It signs with HMAC-SHA1, and name, value and date
	// without anything in between: the signature of a cookie whose name begins with SessionName or
	// LoginName, or the other way round, may also fit ours. A site that lets its visitors choose the value
	// of such a cookie must not use version 1, and here neither of the two names may begin with the other.
	Version1Secret string
}

// Format implements [fmt.Formatter]: whatever the verb, a TornadoCookies prints without its content.
func (t TornadoCookies) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "mojo.TornadoCookies(redacted)")
}

// LogValue implements [slog.LogValuer]: a TornadoCookies is logged without its content.
func (t TornadoCookies) LogValue() slog.Value {
	return slog.StringValue("mojo.TornadoCookies(redacted)")
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

// tornadoOpener verifies the signature of a cookie and returns the parts that were signed, or false. It is
// a function because these print as addresses, see cookieCodec.
type tornadoOpener func(name, text string) (tornadoParts, bool)

// tornadoParts are the parts of a cookie that are the same in both versions.
type tornadoParts struct {
	date  string // when it was signed, in seconds
	value string // in base64
}

func (t *TornadoCookies) opener() tornadoOpener {
	// By the text of the key version, which so has one spelling.
	secrets := make(map[string][]byte, len(t.Secrets))
	for version, secret := range t.Secrets {
		secrets[strconv.Itoa(version)] = []byte(secret)
	}
	version1 := []byte(t.Version1Secret)
	return func(name, text string) (tornadoParts, bool) {
		if rest, found := strings.CutPrefix(text, "2|"); found {
			return openTornado2(secrets, name, text, rest)
		}
		return openTornado1(version1, name, text)
	}
}

// openTornado2 opens "2|1:0|10:1300000000|9:logged_in|12:dXNlci00Mg==|signature", where each length stands
// before its field and all is signed up to the last "|". The rest is what follows the first.
func openTornado2(secrets map[string][]byte, name, text, rest string) (tornadoParts, bool) {
	var fields [4]string // key version, date, name, value
	for i := range fields {
		var ok bool
		if fields[i], rest, ok = cutTornadoField(rest); !ok {
			return tornadoParts{}, false
		}
	}
	secret, known := secrets[fields[0]]
	if !known || !signedTornado(sha256.New, secret, rest, strings.TrimSuffix(text, rest)) || fields[2] != name {
		return tornadoParts{}, false
	}
	return tornadoParts{date: fields[1], value: fields[3]}, true
}

// cutTornadoField takes "length:field|" off the front of text.
func cutTornadoField(text string) (field, rest string, ok bool) {
	digits, rest, found := strings.Cut(text, ":")
	length, ok := parseTornadoNumber(digits)
	if !found || !ok || length >= int64(len(rest)) || rest[length] != '|' {
		return "", "", false
	}
	return rest[:length], rest[length+1:], true
}

// openTornado1 opens "dXNlci00Mg==|1300000000|signature", where the signature is of name, value and date
// put together. Digits could move from one to its neighbour under the same signature, so the date must
// have the ten that it has from 2001 until 2286.
func openTornado1(secret []byte, name, text string) (tornadoParts, bool) {
	value, rest, _ := strings.Cut(text, "|")
	date, signature, found := strings.Cut(rest, "|")
	if !found || len(secret) == 0 || len(date) != 10 || !signedTornado(sha1.New, secret, signature, name, value, date) {
		return tornadoParts{}, false
	}
	return tornadoParts{date, value}, true
}

// signedTornado reports, in constant time, whether the signature, in lower case, is that of parts.
func signedTornado(algorithm func() hash.Hash, secret []byte, signature string, parts ...string) bool {
	mac := hmac.New(algorithm, secret)
	for _, part := range parts {
		_, _ = io.WriteString(mac, part)
	}
	return hmac.Equal([]byte(signature), hex.AppendEncode(nil, mac.Sum(nil)))
}

// parseTornadoNumber reads a number as Python writes it: digits alone, with no 0 in front.
func parseTornadoNumber(text string) (int64, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err == nil && (text[0] != '0' || text == "0")
}

// openTornado is open for a text in a format of Tornado's.
func (c *Cookies) openTornado(name, text string) (cookieValue, cookieFaults) {
	parts, ok := c.tornado(name, text)
	if !ok {
		return cookieValue{}, cookieForged
	}
	written, ok := parseTornadoNumber(parts.date)
	if !ok {
		return cookieValue{}, cookieMalformed
	}
	expires, fault := c.checkDate(written)
	if fault != 0 {
		return cookieValue{}, fault
	}
	id, fault := parseTornadoValue(parts.value)
	return cookieValue{id: id, expires: expires}, fault
}

// parseTornadoValue reads an id in base64, of which only one spelling counts.
func parseTornadoValue(value string) (id string, fault cookieFaults) {
	decoded, err := base64.StdEncoding.Strict().DecodeString(value)
	switch {
	case err != nil || base64.StdEncoding.EncodedLen(len(decoded)) != len(value) || !utf8.Valid(decoded):
		return "", cookieMalformed
	case len(decoded) > maxIDBytes:
		return "", cookieTooLong
	}
	return string(decoded), 0
}
