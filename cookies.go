package mojo

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/securecookie"

	"github.com/mojosocket/mojo/internal/setcookie"
	"github.com/mojosocket/mojo/internal/tornado"
)

const (
	maxCookieBytes = 4096 // of name and value together: what browsers keep
	maxIDBytes     = 1024 // of a session id or a user id
	maxCookieAhead = 60   // seconds that a cookie's date may be in the future
)

// Cookies reads and writes the two cookies that say who is who: one with the session id, signed, and
// one with the id of the user who is logged in, signed and encrypted. A site can use it without a
// [Server], for instance in the handler of its login form. Whoever has the browser can read the session
// id, but not change it.
//
// Both cookies are HttpOnly. Their values are serialized as JSON strings, in the format of
// github.com/gorilla/securecookie. A site that writes them with code of its own makes the same values by
//
//	securecookie.New(key.Hash, nil).SetSerializer(securecookie.JSONEncoder{}).Encode("session_id", sessionID)
//	securecookie.New(key.Hash, key.Block).SetSerializer(securecookie.JSONEncoder{}).Encode("logged_in", userID)
//
// with its own cookie names, if it has chosen others. An id is valid UTF-8 of at most 1,024 bytes.
//
// A Cookies is immutable and safe for concurrent use. The zero value has no keys: it identifies nobody
// and refuses to write. Make one with [NewCookies].
type Cookies struct {
	sessionName, loginName     string
	sessionCodecs, loginCodecs []cookieCodec    // in the order of the keys
	tornado                    tornado.Verifier // nil unless asked for
	maxAge                     int64            // seconds
	attributes                 http.Cookie      // all but name, value and age
}

// cookieCodec writes and reads a cookie with one key. It is made of functions because these print as
// addresses: whatever prints a Cookies, or what holds one, must not print a key.
type cookieCodec struct {
	encode func(name string, value any) (text string, err error)
	decode func(name, text string, dst any) error
}

// NewCookies checks opts, copies it and returns a Cookies that works by it. The error says which field is
// wrong and what is expected; it contains no secret.
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
	for _, key := range opts.Keys {
		hash, block := bytes.Clone(key.Hash), bytes.Clone(key.Block)
		c.sessionCodecs = append(c.sessionCodecs, c.codec(hash, nil))
		c.loginCodecs = append(c.loginCodecs, c.codec(hash, block))
	}
	if opts.Tornado != nil {
		c.tornado = tornado.NewVerifier(opts.Tornado.Secrets, opts.Tornado.Version1Secret)
	}
	return c, nil
}

// expiry is the Expires of a cookie that is written now.
func (c *Cookies) expiry(now time.Time) time.Time { return time.Unix(now.Unix()+c.maxAge, 0) }

func (c *Cookies) codec(hash, block []byte) cookieCodec {
	codec := securecookie.New(hash, block).
		SetSerializer(securecookie.JSONEncoder{}).
		MaxAge(int(c.maxAge)).
		MaxLength(maxCookieBytes)
	return cookieCodec{codec.Encode, codec.Decode}
}

// Identify says who sent r, by the two cookies in it.
//
// A cookie that is missing, not signed by one of the keys, changed, expired or dated more than a minute
// into the future counts as missing. A login that is bound to a session by [Server.LogIn] counts only
// together with it. Without a valid session cookie SessionID is empty, without a valid login UserID is.
//
// A browser may send several cookies of one name, of which the first 16 are looked at: the newest login
// counts, with the session that it is bound to, or the newest session if there is no login.
//
// With CookieOptions.Tornado the cookies may also be Tornado's, by the same rules.
//
// Expires is the date at which the cookies were written plus MaxAge, of the earlier one if there are two,
// and always in the future; it is zero if the Identity is empty.
//
// The error is nil: an invalid cookie is none. It is there so that Identify fits Options.Identify.
func (c *Cookies) Identify(r *http.Request) (Identity, error) {
	identity, _ := c.identify(r)
	return identity, nil
}

// identify is Identify, and says what was wrong with cookies that did not count.
func (c *Cookies) identify(r *http.Request) (Identity, cookieFaults) {
	sent, faults := c.read(r)
	p, unbound := sent.pick(nil)
	return p.identity(), faults | unbound
}

// SetSession writes the session cookie: from its next request on, the browser is known by sessionID. It
// replaces what was set for that cookie earlier in the same response, and must be called before the body
// is written. The id must be hard to guess; a session that gets logged in needs a new one, which
// [Server.LogIn] sees to. It also adds Vary: Cookie and Cache-Control: no-cache="Set-Cookie" to the
// response, so that no cache gives the cookie to others: a handler that sets these headers sets them
// before, or is below [Server.EnsureSession]. An empty sessionID removes the cookie from the browser.
//
// It returns an error, and writes nothing, if sessionID is not valid UTF-8 or too long for a cookie.
func (c *Cookies) SetSession(w http.ResponseWriter, sessionID string) error {
	if err := checkID("session", sessionID); err != nil {
		return err
	}
	if sessionID == "" {
		return c.remove(w, c.sessionName)
	}
	return c.set(w, c.sessionName, c.sessionCodecs, sessionID)
}

// SetLogin writes the login cookie: from its next request on, the browser is logged in as userID. It
// replaces what was set for that cookie earlier in the same response, adds the headers for caches as
// SetSession does, and must be called before the body is written. An empty userID logs out: it removes the cookie from the browser.
//
// Such a login stands alone: it holds whatever session the browser has, or with none, also with one that
// another host of the domain has planted. [Server.LogIn] is the safer way, as it ties the login to a new
// session.
//
// It returns an error, and writes nothing, if userID is not valid UTF-8 or too long for a cookie.
func (c *Cookies) SetLogin(w http.ResponseWriter, userID string) error {
	if err := checkID("user", userID); err != nil {
		return err
	}
	if userID == "" {
		return c.remove(w, c.loginName)
	}
	return c.set(w, c.loginName, c.loginCodecs, userID)
}

// setLoginBound is SetLogin for a login that is worth nothing without the session cookie of sessionID.
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

// isTooLate reports whether the header was written, as far as EnsureSession can tell.
func (c *Cookies) isTooLate(w http.ResponseWriter) bool {
	writer := setcookie.Find(w, c)
	return writer != nil && writer.Written()
}

func checkID(kind, id string) error {
	if len(id) > maxIDBytes {
		return fmt.Errorf("mojo: the %s id has %d bytes; want at most %d", kind, len(id), maxIDBytes)
	}
	if !utf8.ValidString(id) {
		return fmt.Errorf("mojo: the %s id is not valid UTF-8", kind)
	}
	return nil
}

func newSessionID() string {
	id := make([]byte, 32)
	rand.Read(id)
	return base64.RawURLEncoding.EncodeToString(id)
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

// remove also removes a cookie without a domain, which would otherwise be back in the next request.
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

// write puts a cookie into the header, and replaces one that differs in value and age alone.
func (c *Cookies) write(w http.ResponseWriter, cookie http.Cookie) {
	setcookie.Set(w.Header(), cookie)
	if setcookie.Find(w, c) == nil { // which does it when the header is complete
		setcookie.KeepFromCaches(w.Header())
	}
}

// expireOthers removes from a browser the cookies that it keeps beside those that this answer sets.
func (c *Cookies) expireOthers(w http.ResponseWriter, r *http.Request, sent sentCookies) {
	setcookie.RemoveElsewhere(w.Header(), r,
		setcookie.Sent{Cookie: c.cookie(c.sessionName, "", -1), Verified: len(sent.sessions)},
		setcookie.Sent{Cookie: c.cookie(c.loginName, "", -1), Verified: len(sent.logins)})
}

// cookieFaults is a set of reasons why cookies of a request did not count, for logging.
type cookieFaults uint8

const (
	cookieForged    cookieFaults = 1 << iota // changed, of another name, or signed by an unknown key
	cookieExpired                            // MaxAge ago, or longer
	cookieAhead                              // dated more than a minute into the future
	cookieTooLong                            // longer than any that counts
	cookieMalformed                          // signed, but not with an id in it
	cookieUnbound                            // a login that is bound to another session than the request's
	cookieDuplicate                          // one of several that differ, or too many to look at
)

var cookieFaultNames = [...]string{"forged", "expired", "ahead", "too long", "malformed", "unbound", "duplicate"}

// String names the faults, separated by commas.
func (f cookieFaults) String() string {
	var names []string
	for i, name := range cookieFaultNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// cookieValue is what a cookie proves. In the session cookie id is the session id. In the login cookie it
// is the user id, and sessionID is the session that the login is bound to, if it is bound.
type cookieValue struct {
	id, sessionID string
	expires       time.Time // when it was written, plus MaxAge
	current       bool      // written by the first key
}

// open verifies the text of a cookie and returns what is in it. With a fault the value means nothing.
func (c *Cookies) open(name, text string, codecs []cookieCodec) (cookieValue, cookieFaults) {
	switch {
	case len(text) > maxCookieBytes:
		return cookieValue{}, cookieTooLong
	case c.tornado != nil && strings.Contains(text, "|"): // which is in no text of ours
		return c.openTornado(name, text)
	}
	// Only one spelling of a value is ours, though base64 knows several.
	signed, err := base64.URLEncoding.Strict().DecodeString(text)
	if err != nil || base64.URLEncoding.EncodedLen(len(signed)) != len(text) {
		return cookieValue{}, cookieForged
	}
	for i, codec := range codecs {
		var content json.RawMessage // a fresh one for each key
		err := codec.decode(name, text, &content)
		if errors.Is(err, securecookie.ErrMacInvalid) {
			continue
		}
		// What is signed is "date|content|signature". The date is read before err is looked at, as it
		// says what err does not: whether only the age is wrong.
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

// written is when a cookie was made.
func (c *Cookies) written(v cookieValue) time.Time {
	return v.expires.Add(-time.Duration(c.maxAge) * time.Second)
}

// checkDate says whether a cookie that was written then, in seconds, counts now, and until when.
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

// parseCookie reads the JSON in a cookie: the string "id", or ["id","session id"] in a bound login.
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
