package mojo

import (
	"net/http"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/socketio"
)

// Identity is who sent a request, as proven by cookies or by a site's own means.
// The zero value is somebody unknown.
type Identity struct {
	SessionID string    // the browser's session, "" if it has none
	UserID    string    // the user who is logged in, "" if nobody is
	Expires   time.Time // when this stops being true; zero: never
}

// Identity tells who made a request: by its cookies or Options.Identify and, below
// EnsureSession, with what this request has changed already. Whoever is not known
// has the zero Identity; so has everybody for whom Options.Identify returns an
// error, and whoever comes with a session that LogIn, LogOut or Rebind of this
// Server has given up, or Revoke has revoked.
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
	if _, givenUp := s.sio.Retired(id.SessionID); givenUp {
		return Identity{}
	}
	return id
}

// identifyConn is called for each handshake and each later request of a connection.
func (s *Server) identifyConn(r *http.Request) (socketio.Identified, error) {
	switch {
	case s.opts.Cookies == nil:
		return s.sio.Guarded(s.identifyByHook, r)
	case len(r.Header["Cookie"]) == 0: // which saves a visitor the growing of a stack
		return socketio.Identified{}, nil
	}
	return s.identifyByCookies(r), nil
}

// identifyByCookies leaves it to the layer below whether a login still counts.
func (s *Server) identifyByCookies(r *http.Request) socketio.Identified {
	p := s.verify(r)
	now := inner(p.identity())
	if s.isFresh(p.session) {
		s.checkSiblings(p.session.id)
	}
	if p.login.id != "" {
		now.Proven = s.opts.Cookies.written(p.login)
	}
	return now
}

func (s *Server) identifyByHook(r *http.Request) (socketio.Identified, error) {
	id, err := s.identify(r)
	if err != nil {
		s.warn.Warn("identify", "mojo: Options.Identify refused a request", "error", err)
		return socketio.Identified{}, err
	}
	// Clones, for Options.Identify may return parts of the request's headers, which
	// all share one string.
	id.SessionID, id.UserID = strings.Clone(id.SessionID), strings.Clone(id.UserID)
	return inner(id), nil
}

// identify believes what the client sent and nothing else.
func (s *Server) identify(r *http.Request) (Identity, error) {
	switch {
	case s.opts.Cookies != nil:
		return s.prove(r).identity(), nil
	case s.opts.Identify != nil:
		return s.opts.Identify(r)
	}
	return Identity{}, nil
}

// prove returns the cookies of a request that count, less the logins that were revoked.
func (s *Server) prove(r *http.Request) proof {
	p := s.verify(r)
	if p.login.id != "" && !s.sio.LoginCounts(inner(p.identity()).Identity, s.opts.Cookies.written(p.login)) {
		p.login = cookieValue{}
	}
	return p
}

// verify returns the cookies of a request that count, and logs what does not.
func (s *Server) verify(r *http.Request) proof {
	sent, faults := s.opts.Cookies.read(r)
	p, unbound := sent.pick(s.isCurrent)
	if faults |= unbound; faults != 0 {
		s.faults.count(faults)
		s.opts.Logger.Debug("mojo: a cookie does not count", "faults", faults.String())
	}
	return p
}

// isCurrent reports whether a session was neither given up nor revoked.
func (s *Server) isCurrent(sessionID string) bool {
	_, givenUp := s.sio.Retired(sessionID)
	return !givenUp
}

// inner is an identity as the layer below has it.
func inner(id Identity) socketio.Identified {
	return socketio.Identified{
		Identity: socketio.Identity{Session: id.SessionID, User: id.UserID},
		Expires:  id.Expires,
	}
}

func identityOf(id socketio.Identified) Identity {
	return Identity{SessionID: id.Session, UserID: id.User, Expires: id.Expires}
}

// proof is what the cookies of a request prove.
type proof struct {
	session, login cookieValue // zero if there is none that counts
}

func (p proof) identity() Identity {
	identity := Identity{SessionID: p.session.id, UserID: p.login.id, Expires: p.session.expires}
	if p.login.id != "" && (p.session.id == "" || p.login.expires.Before(p.session.expires)) {
		identity.Expires = p.login.expires
	}
	return identity
}

// A browser keeps several cookies of one name if they differ in path or domain, and
// sends all that fit. That happens when a site changes CookieOptions.Path or Domain.

// maxCookieVerified is how many cookies of one name in one request are looked at.
const maxCookieVerified = 16

// sentCookies is the cookies of a request that are signed by one of the keys and in
// date, in the order in which the browser sent them.
type sentCookies struct {
	sessions, logins []cookieValue
}

// read verifies the cookies of a request, and says what was wrong with others.
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

// pick returns the cookies that count: the newest login that is not bound to a session
// which is missing, with that session; and the newest session if there is no such
// login, or if it is not bound to one. Of two that were written in the same second it
// is the one that the browser sent last, which it got last if their paths are equally
// long, and among logins one that says that nobody is logged in.
//
// Sessions for which current returns false count only if there are no others. It may
// be nil.
func (sent sentCookies) pick(current func(sessionID string) bool) (proof, cookieFaults) {
	var p proof
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

// newestOf returns the newest cookie of a session id, the zero value if there is none.
func newestOf(sessions []cookieValue, id string) (newest cookieValue) {
	for _, session := range sessions {
		if session.id == id && !session.expires.Before(newest.expires) {
			newest = session
		}
	}
	return newest
}

// isNewerThan reports whether a login takes the place of one that was sent before it.
func (v cookieValue) isNewerThan(earlier cookieValue) bool {
	if v.expires.Equal(earlier.expires) {
		return v.id == "" || earlier.id != ""
	}
	return v.expires.After(earlier.expires)
}

// sessionsBut returns the ids of the sessions other than one.
func (sent sentCookies) sessionsBut(id string) (others []string) {
	for _, session := range sent.sessions {
		if session.id != id {
			others = append(others, session.id)
		}
	}
	return others
}
