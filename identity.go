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
		s.doubt(p.session.id)
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
