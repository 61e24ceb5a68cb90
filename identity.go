package mojo

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mojosocket/mojo/internal/command"
)

// Identity is the browser session and the user of a request or a connection, as
// proven by cookies or by Options.Identify. It is a value. The zero value is
// nobody.
type Identity struct {
	SessionID string    // the browser's session, "" if it has none
	UserID    string    // the user who is logged in, "" if nobody is
	Expires   time.Time // when the identity stops being valid; zero: never
}

// Identity returns the identity of a request, by its cookies or
// Options.Identify. Below EnsureSession it includes changes that this request
// has made, such as a login. It is the zero Identity if there are no valid
// cookies, if Options.Identify returns an error, and if the session was given
// up by LogIn, LogOut or Rebind of this Server, or revoked.
func (s *Server) Identity(r *http.Request) Identity {
	if e := s.ensured(r); e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.identity
	}
	id, err := s.identify(r)
	if err != nil {
		return Identity{}
	}
	if _, retired := s.sio.Retired(id.SessionID); retired {
		return Identity{}
	}
	return id
}

// identifyConn returns the identity of each handshake and each later request of
// a connection.
func (s *Server) identifyConn(r *http.Request) (command.Identified, error) {
	switch {
	case s.opts.Cookies == nil:
		return s.sio.CallIdentify(s.identifyByHook, r)
	case len(r.Header["Cookie"]) == 0: // verifying would grow the stack
		return command.Identified{}, nil
	}
	return s.identifyByCookies(r), nil
}

// identifyByCookies does not check whether the login was revoked; the Socket.IO
// layer does.
func (s *Server) identifyByCookies(r *http.Request) command.Identified {
	p := s.verify(r)
	now := identified(p.identity())
	if s.isFresh(p.session) {
		s.checkSiblings(p.session.id)
	}
	if p.login.id != "" {
		now.LoginTime = s.opts.Cookies.written(p.login)
	}
	return now
}

func (s *Server) identifyByHook(r *http.Request) (command.Identified, error) {
	id, err := s.identify(r)
	if err != nil {
		s.warn.Warn("identify", "mojo: Options.Identify refused a request", "error", err)
		return command.Identified{}, err
	}
	// Options.Identify may return parts of the request's headers, which all
	// share one string. Clones do not keep it in memory.
	id.SessionID, id.UserID = strings.Clone(id.SessionID), strings.Clone(id.UserID)
	return identified(id), nil
}

// identify returns the identity that the client sent with the request.
func (s *Server) identify(r *http.Request) (Identity, error) {
	switch {
	case s.opts.Cookies != nil:
		return s.prove(r).identity(), nil
	case s.opts.Identify != nil:
		return s.opts.Identify(r)
	}
	return Identity{}, nil
}

// prove returns the valid cookies of a request, without a login that was
// revoked.
func (s *Server) prove(r *http.Request) cookiePair {
	p := s.verify(r)
	if p.login.id != "" && !s.sio.LoginCounts(identified(p.identity()).Identity, s.opts.Cookies.written(p.login)) {
		p.login = cookieValue{}
	}
	return p
}

// verify returns the valid cookies of a request, and logs the faults of the
// others.
func (s *Server) verify(r *http.Request) cookiePair {
	sent, faults := s.opts.Cookies.read(r)
	p, unbound := sent.pick(s.isCurrent)
	if faults |= unbound; faults != 0 {
		s.faults.count(faults)
		s.opts.Logger.Debug("mojo: a cookie is invalid", "faults", faults.String())
	}
	return p
}

// isCurrent reports whether a session was neither given up nor revoked.
func (s *Server) isCurrent(sessionID string) bool {
	_, retired := s.sio.Retired(sessionID)
	return !retired
}

// identified converts an Identity for the Socket.IO layer.
func identified(id Identity) command.Identified {
	return command.Identified{
		Identity: command.Identity{Session: id.SessionID, User: id.UserID},
		Expires:  id.Expires,
	}
}

func identityOf(id command.Identified) Identity {
	return Identity{SessionID: id.Session, UserID: id.User, Expires: id.Expires}
}

// cookiePair is the session cookie and the login cookie of a request that are
// valid.
type cookiePair struct {
	session, login cookieValue // zero if there is none
}

func (p cookiePair) identity() Identity {
	identity := Identity{SessionID: p.session.id, UserID: p.login.id, Expires: p.session.expires}
	if p.login.id != "" && (p.session.id == "" || p.login.expires.Before(p.session.expires)) {
		identity.Expires = p.login.expires
	}
	return identity
}

// A browser keeps several cookies of one name if they differ in path or domain,
// and sends all that fit. That happens when a site changes CookieOptions.Path
// or Domain.

// maxCookieVerified is the number of cookies of one name in one request that
// are verified.
const maxCookieVerified = 16

// sentCookies has the cookies of a request that are signed by one of the keys
// and not expired, in the order in which the browser sent them.
type sentCookies struct {
	sessions, logins []cookieValue
}

// read verifies the cookies of a request. It returns the valid ones, and the
// faults of the others.
func (c *Cookies) read(r *http.Request) (sent sentCookies, faults cookieFaults) {
	sent.sessions, faults = readCookies(r.CookiesNamed(c.sessionName), func(text string) (cookieValue, cookieFaults) {
		value, fault := c.open(c.sessionName, text, c.sessionCodecs)
		if fault == 0 && (value.id == "" || value.sessionID != "") {
			fault = cookieMalformed
		}
		return value, fault
	})
	var loginFaults cookieFaults
	sent.logins, loginFaults = readCookies(r.CookiesNamed(c.loginName), func(text string) (cookieValue, cookieFaults) {
		return c.open(c.loginName, text, c.loginCodecs)
	})
	return sent, faults | loginFaults
}

func readCookies(
	cookies []*http.Cookie, open func(text string) (cookieValue, cookieFaults),
) (values []cookieValue, faults cookieFaults) {
	if len(cookies) > maxCookieVerified {
		cookies, faults = cookies[:maxCookieVerified], cookieDuplicate
	}
	for _, cookie := range cookies {
		value, fault := open(cookie.Value)
		if faults |= fault; fault != 0 {
			continue
		}
		if len(values) > 0 && (values[0].id != value.id || values[0].sessionID != value.sessionID) {
			faults |= cookieDuplicate
		}
		values = append(values, value)
	}
	return values, faults
}

// pick returns the cookies that are valid together: the newest login whose
// session was sent as well, or that is not bound to a session, with that
// session; and the newest session if there is no such login, or if it is not
// bound. Of two cookies that were written in the same second it is the one that
// the browser sent last, which it received last if their paths are equally
// long; a login that says that nobody is logged in goes before others.
//
// Sessions for which current returns false are used only if there are no
// others. It may be nil.
func (sent sentCookies) pick(current func(sessionID string) bool) (cookiePair, cookieFaults) {
	var p cookiePair
	sessions := sent.sessions
	if len(sessions) > 1 && current != nil {
		sessions = currentSessions(sessions, current)
	}
	for _, session := range sessions {
		if !session.expires.Before(p.session.expires) {
			p.session = session
		}
	}
	var faults cookieFaults
	for _, login := range sent.logins {
		if login.sessionID != "" && newestOf(sessions, login.sessionID).id == "" {
			faults |= cookieUnbound
			continue
		}
		if login.isNewerThan(p.login) {
			p.login = login
		}
	}
	if p.login.sessionID != "" {
		p.session = newestOf(sessions, p.login.sessionID)
	}
	return p, faults
}

// currentSessions returns the sessions that are current, or all if none is.
func currentSessions(sessions []cookieValue, current func(sessionID string) bool) []cookieValue {
	var kept []cookieValue
	for _, session := range sessions {
		if current(session.id) {
			kept = append(kept, session)
		}
	}
	if len(kept) == 0 {
		return sessions
	}
	return kept
}

// newestOf returns the newest cookie of a session id, the zero value if there
// is none.
func newestOf(sessions []cookieValue, id string) (newest cookieValue) {
	for _, session := range sessions {
		if session.id == id && !session.expires.Before(newest.expires) {
			newest = session
		}
	}
	return newest
}

// isNewerThan reports whether a login is newer than one that the browser sent
// before it in the same request.
func (v cookieValue) isNewerThan(earlier cookieValue) bool {
	if v.expires.Equal(earlier.expires) {
		return v.id == "" || earlier.id != ""
	}
	return v.expires.After(earlier.expires)
}

// otherSessions returns the ids of the sessions other than id.
func (sent sentCookies) otherSessions(id string) (others []string) {
	for _, session := range sent.sessions {
		if session.id != id {
			others = append(others, session.id)
		}
	}
	return others
}

// cookieFaults is a set of reasons why cookies of a request are invalid.
type cookieFaults uint8

const (
	cookieForged    cookieFaults = 1 << iota // changed, of another name, or signed by an unknown key
	cookieExpired                            // written MaxAge ago, or earlier
	cookieAhead                              // dated more than a minute in the future
	cookieTooLong                            // longer than any valid cookie
	cookieMalformed                          // signed, but without an id
	cookieUnbound                            // a login that is bound to a session that was not sent
	cookieDuplicate                          // several that differ, or too many to verify
)

var cookieFaultNames = [...]string{"forged", "expired", "ahead", "too long", "malformed", "unbound", "duplicate"}

// String returns the names of the faults, separated by commas.
func (f cookieFaults) String() string {
	var names []string
	for i, name := range cookieFaultNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
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
