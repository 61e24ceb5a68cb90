package mojo

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/securecookie"

	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/setcookie"
	"github.com/mojosocket/mojo/internal/tornado"
)

const (
	maxCookieBytes = 4096 // of name and value together; browsers drop longer cookies
	maxIDBytes     = 1024 // of a session id or a user id
	maxCookieAhead = 60   // seconds that a cookie's date may be in the future
)

// Cookies reads and writes the two cookies that identify a client: one with the
// session id, signed, and one with the id of the user who is logged in, signed
// and encrypted. A site can use it without a [Server], for instance in the
// handler of its login form. Somebody who has the browser can read the session
// id, but not change it.
//
// Both cookies are HttpOnly. Their values are serialized as JSON strings, in
// the format of github.com/gorilla/securecookie. Code of a site's own makes the
// same values by
//
//	securecookie.New(key.Hash, nil).SetSerializer(securecookie.JSONEncoder{}).Encode("session_id", sessionID)
//	securecookie.New(key.Hash, key.Block).SetSerializer(securecookie.JSONEncoder{}).Encode("logged_in", userID)
//
// with the names that CookieOptions has for the cookies. An id is valid UTF-8
// of at most 1,024 bytes.
//
// A Cookies is immutable and safe for concurrent use. Make one with
// [NewCookies], once for the process. The zero value has no keys: it identifies
// nobody and refuses to write.
type Cookies struct {
	sessionName, loginName     string
	sessionCodecs, loginCodecs []cookieCodec        // in the order of the keys
	tornado                    tornado.Verifier     // nil: cookies of Tornado are not read
	maxAge                     int64                // seconds
	attributes                 http.Cookie          // all but name, value and age
	secrets                    func() []seal.Secret // of a cluster; in the order of the keys
}

// cookieCodec writes and reads a cookie with one key. It consists of functions
// because functions print as addresses: nothing that prints a Cookies may print
// a key.
type cookieCodec struct {
	encode func(name string, value any) (text string, err error)
	decode func(name, text string, dst any) error
}

// NewCookies returns a Cookies for opts, which it copies. The error says which
// field is wrong and what is expected; it contains no secret.
func NewCookies(opts CookieOptions) (*Cookies, error) {
	opts.fillIn()
	if err := opts.check(); err != nil {
		return nil, err
	}
	c := &Cookies{
		sessionName: opts.SessionName,
		loginName:   opts.LoginName,
		maxAge:      int64(opts.MaxAge / time.Second),
		attributes: http.Cookie{
			Path:     opts.Path,
			Domain:   strings.TrimPrefix(opts.Domain, "."),
			Secure:   !opts.Insecure,
			HttpOnly: true,
			SameSite: opts.SameSite,
		},
	}
	var secrets []seal.Secret
	c.secrets = func() []seal.Secret { return secrets }
	for _, key := range opts.Keys {
		hash, block := bytes.Clone(key.Hash), bytes.Clone(key.Block)
		secrets = append(secrets, seal.NewSecret(slices.Concat(hash, block)))
		c.sessionCodecs = append(c.sessionCodecs, c.codec(hash, nil))
		c.loginCodecs = append(c.loginCodecs, c.codec(hash, block))
	}
	if opts.Tornado != nil {
		c.tornado = tornado.NewVerifier(opts.Tornado.Secrets, opts.Tornado.Version1Secret)
	}
	return c, nil
}

// expiry returns the Expires of a cookie that is written now.
func (c *Cookies) expiry(now time.Time) time.Time { return time.Unix(now.Unix()+c.maxAge, 0) }

func (c *Cookies) codec(hash, block []byte) cookieCodec {
	codec := securecookie.New(hash, block).
		SetSerializer(securecookie.JSONEncoder{}).
		MaxAge(int(c.maxAge)).
		MaxLength(maxCookieBytes)
	return cookieCodec{codec.Encode, codec.Decode}
}

// Identify returns the identity of r from its two cookies. The error is always
// nil, so that Identify can be used as Options.Identify.
//
// A cookie is invalid if it is not signed by one of the keys, was changed, has
// expired, or is dated more than a minute into the future. A login that
// [Server.LogIn] has bound to a session is valid only together with that
// session. Without a valid session cookie SessionID is empty; without a valid
// login UserID is.
//
// A browser may send several cookies of one name, of which the first 16 are
// verified. The newest login is used, with the session that it is bound to, or
// the newest session if there is no login.
//
// With CookieOptions.Tornado the cookies may also be Tornado's, by the same
// rules.
//
// Expires is the date at which the cookies were written plus MaxAge, of the
// earlier one if there are two. It is always in the future, and zero if the
// Identity is empty.
func (c *Cookies) Identify(r *http.Request) (Identity, error) {
	identity, _ := c.identify(r)
	return identity, nil
}

// identify is Identify, and returns the faults of invalid cookies.
func (c *Cookies) identify(r *http.Request) (Identity, cookieFaults) {
	sent, faults := c.read(r)
	p, unbound := sent.pick(nil)
	return p.identity(), faults | unbound
}

// SetSession writes the session cookie: from its next request on, the browser
// is identified by sessionID. It replaces what was set for that cookie earlier
// in the same response, and must be called before the body is written. An empty
// sessionID removes the cookie from the browser.
//
// The id must be hard to guess. A session that is logged in needs a new id,
// which [Server.LogIn] makes. SetSession also adds Vary: Cookie and
// Cache-Control: no-cache="Set-Cookie" to the response, so that no cache gives
// the cookie to another browser. A handler that sets these headers itself has
// to set them before, or be below [Server.EnsureSession].
//
// It returns an error, and writes nothing, if sessionID is not valid UTF-8 or
// too long for a cookie.
func (c *Cookies) SetSession(w http.ResponseWriter, sessionID string) error {
	if err := checkID("session", sessionID); err != nil {
		return err
	}
	if sessionID == "" {
		return c.remove(w, c.sessionName)
	}
	return c.set(w, c.sessionName, c.sessionCodecs, sessionID)
}

// SetLogin writes the login cookie: from its next request on, the browser is
// logged in as userID. It replaces what was set for that cookie earlier in the
// same response, adds the headers for caches as SetSession does, and must be
// called before the body is written. An empty userID logs out: it removes the
// cookie from the browser.
//
// Such a login is not bound to a session: it is valid with any session that the
// browser has, also with one that another host of the domain has planted, and
// with none. [Server.LogIn] is the safer way, as it binds the login to a new
// session.
//
// It returns an error, and writes nothing, if userID is not valid UTF-8 or too
// long for a cookie.
func (c *Cookies) SetLogin(w http.ResponseWriter, userID string) error {
	if err := checkID("user", userID); err != nil {
		return err
	}
	if userID == "" {
		return c.remove(w, c.loginName)
	}
	return c.set(w, c.loginName, c.loginCodecs, userID)
}

// setLoginBound is SetLogin for a login that is valid only with the session
// cookie of sessionID.
func (c *Cookies) setLoginBound(w http.ResponseWriter, sessionID, userID string) error {
	if err := checkID("session", sessionID); err != nil {
		return err
	}
	if err := checkID("user", userID); err != nil {
		return err
	}
	if sessionID == "" || userID == "" {
		return errors.New("mojo: a login has no user id or no session id; want both")
	}
	return c.set(w, c.loginName, c.loginCodecs, [2]string{userID, sessionID})
}

var errHeaderWritten = errors.New("mojo: the header of the answer is written already, so it cannot set a cookie; " +
	"want LogIn, LogOut, SetSession and SetLogin before anything is written")

// isTooLate reports whether the header was written. Outside of EnsureSession it
// is not known, and isTooLate returns false.
func (c *Cookies) isTooLate(w http.ResponseWriter) bool {
	writer := setcookie.Find(w, c)
	return writer != nil && writer.Written()
}

func (c *Cookies) set(w http.ResponseWriter, name string, codecs []cookieCodec, value any) error {
	if len(codecs) == 0 {
		return errors.New("mojo: a Cookies without keys cannot write; want one that NewCookies made")
	}
	if c.isTooLate(w) {
		return errHeaderWritten
	}
	encoded, err := codecs[0].encode(name, value)
	if err != nil || len(name)+len(encoded) > maxCookieBytes {
		return fmt.Errorf("mojo: the cookie %s would be too long; want at most %d bytes, signed and encoded", name, maxCookieBytes)
	}
	c.write(w, c.cookie(name, encoded, int(c.maxAge)))
	return nil
}

// remove removes a cookie from the browser. It also removes a cookie without a
// domain, which the browser would otherwise send with the next request.
func (c *Cookies) remove(w http.ResponseWriter, name string) error {
	if len(c.sessionCodecs) == 0 {
		return errors.New("mojo: a Cookies without keys cannot write; want one that NewCookies made")
	}
	if c.isTooLate(w) {
		return errHeaderWritten
	}
	expired := c.cookie(name, "", -1)
	c.write(w, expired)
	expired.Domain = ""
	c.write(w, expired)
	return nil
}

func (c *Cookies) cookie(name, value string, maxAge int) http.Cookie {
	cookie := c.attributes
	cookie.Name, cookie.Value, cookie.MaxAge = name, value, maxAge
	return cookie
}

// write puts a cookie into the header. It replaces a cookie that differs only
// in value and age.
func (c *Cookies) write(w http.ResponseWriter, cookie http.Cookie) {
	setcookie.Set(w.Header(), cookie)
	if setcookie.Find(w, c) == nil { // a setcookie.Writer does it when the header is complete
		setcookie.KeepFromCaches(w.Header())
	}
}

// expireOthers removes other cookies of the two names from the browser, which
// differ in path or domain from those that this answer sets.
func (c *Cookies) expireOthers(w http.ResponseWriter, r *http.Request, sent sentCookies) {
	setcookie.RemoveOtherScopes(w.Header(), r,
		setcookie.RequestCookie{Cookie: c.cookie(c.sessionName, "", -1), Verified: len(sent.sessions)},
		setcookie.RequestCookie{Cookie: c.cookie(c.loginName, "", -1), Verified: len(sent.logins)})
}

// cookieValue is the content of a valid cookie. In the session cookie, id is
// the session id. In the login cookie, id is the user id, and sessionID is the
// session that the login is bound to, if it is bound.
type cookieValue struct {
	id, sessionID string
	expires       time.Time // when it was written, plus MaxAge
	current       bool      // written by the first key
}

// open verifies the text of a cookie and returns its content. With a fault the
// content is meaningless.
func (c *Cookies) open(name, text string, codecs []cookieCodec) (cookieValue, cookieFaults) {
	switch {
	case len(text) > maxCookieBytes:
		return cookieValue{}, cookieTooLong
	case c.tornado != nil && strings.Contains(text, "|"): // mojo's own texts contain none
		return c.openTornado(name, text)
	}
	// base64 has several texts for one value, of which only one is valid here.
	signed, err := base64.URLEncoding.Strict().DecodeString(text)
	if err != nil || base64.URLEncoding.EncodedLen(len(signed)) != len(text) {
		return cookieValue{}, cookieForged
	}
	for i, codec := range codecs {
		var content json.RawMessage // a new one for each key
		err := codec.decode(name, text, &content)
		if errors.Is(err, securecookie.ErrMacInvalid) {
			continue
		}
		// The signed text is "date|content|signature". The date is read before
		// err, which does not tell whether only the age is wrong.
		date, _, _ := bytes.Cut(signed, []byte("|"))
		written, dateErr := strconv.ParseInt(string(date), 10, 64)
		if dateErr != nil {
			return cookieValue{}, cookieMalformed
		}
		expires, fault := c.checkDate(written)
		if fault == 0 && err != nil {
			fault = cookieMalformed
		}
		if fault != 0 {
			return cookieValue{}, fault
		}
		value, fault := parseCookie(content)
		value.expires, value.current = expires, i == 0
		return value, fault
	}
	return cookieValue{}, cookieForged
}

// written returns when a cookie was made.
func (c *Cookies) written(v cookieValue) time.Time {
	return v.expires.Add(-time.Duration(c.maxAge) * time.Second)
}

// checkDate returns the expiry of a cookie that was written at a Unix time, or
// a fault.
func (c *Cookies) checkDate(written int64) (expires time.Time, fault cookieFaults) {
	now := time.Now().Unix()
	switch {
	case written <= now-c.maxAge:
		return time.Time{}, cookieExpired
	case written > now+maxCookieAhead:
		return time.Time{}, cookieAhead
	}
	return time.Unix(written+c.maxAge, 0), 0
}

// parseCookie reads the JSON in a cookie: the string "id", or ["id","session
// id"] in a bound login.
func parseCookie(content []byte) (cookieValue, cookieFaults) {
	var value cookieValue
	switch {
	case !utf8.Valid(content):
		return value, cookieMalformed
	case bytes.HasPrefix(content, []byte(`"`)):
		if json.Unmarshal(content, &value.id) != nil {
			return value, cookieMalformed
		}
	default:
		var pair []string
		if json.Unmarshal(content, &pair) != nil || len(pair) != 2 || pair[0] == "" || pair[1] == "" {
			return value, cookieMalformed
		}
		value.id, value.sessionID = pair[0], pair[1]
	}
	if len(value.id) > maxIDBytes || len(value.sessionID) > maxIDBytes {
		return value, cookieTooLong
	}
	return value, 0
}

// openTornado is open for a text in a format of Tornado.
func (c *Cookies) openTornado(name, text string) (cookieValue, cookieFaults) {
	parts, ok := c.tornado(name, text)
	if !ok {
		return cookieValue{}, cookieForged
	}
	written, ok := tornado.ParseNumber(parts.Date)
	if !ok {
		return cookieValue{}, cookieMalformed
	}
	expires, fault := c.checkDate(written)
	if fault != 0 {
		return cookieValue{}, fault
	}
	id, fault := parseTornadoValue(parts.Value)
	return cookieValue{id: id, expires: expires}, fault
}

// parseTornadoValue returns an id from base64, of which only one text is valid.
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
