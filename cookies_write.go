package mojo

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

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
	below := c.cookieWriterOf(w)
	return below != nil && below.written
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

// write puts a cookie into the header, in the place of one that differs in value and age alone.
func (c *Cookies) write(w http.ResponseWriter, cookie http.Cookie) {
	header := w.Header()
	header["Set-Cookie"] = append(slices.DeleteFunc(slices.Clone(header["Set-Cookie"]), func(line string) bool {
		return sets(line, cookie)
	}), cookie.String())
	if c.cookieWriterOf(w) == nil { // which does it when the header is complete
		keepFromCaches(header)
	}
}

// sets reports whether a Set-Cookie line is about the cookie of that name, domain and path.
func sets(line string, cookie http.Cookie) bool {
	if !strings.HasPrefix(line, cookie.Name+"=") {
		return false
	}
	set, err := http.ParseSetCookie(line)
	return err == nil && set.Path == cookie.Path && strings.EqualFold(strings.TrimPrefix(set.Domain, "."), cookie.Domain)
}
