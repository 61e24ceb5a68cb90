package mojo

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mojosocket/mojo/internal/socketio"
)

var errNoCookies = errors.New("mojo: Options.Cookies is not set, so there are no cookies to write")

// ensured is the identity of a request that EnsureSession has seen, as it will be
// when the answer has reached the browser.
type ensured struct {
	mu       sync.Mutex // guards what follows
	identity Identity
	lines    []string // the Set-Cookie lines of a session made for this request; no client has it yet
}

// ensuredKey is the key in a request's context for what the EnsureSession of one
// Server has found.
type ensuredKey struct{ server *Server }

func (s *Server) ensured(r *http.Request) *ensured {
	e, _ := r.Context().Value(ensuredKey{s}).(*ensured)
	return e
}

// withdraw takes back the cookies of a fresh session: a request of the Server
// itself never sets one.
func (e *ensured) withdraw(w http.ResponseWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.lines) == 0 {
		return
	}
	header := w.Header()
	left := slices.DeleteFunc(slices.Clone(header["Set-Cookie"]), func(line string) bool {
		return slices.Contains(e.lines, line)
	})
	if len(left) == 0 {
		header.Del("Set-Cookie")
		return
	}
	header["Set-Cookie"] = left
}

// EnsureSession wraps a site's handlers so that every browser has a session: a
// request without a valid session_id gets a new one, which Server.Identity shows to
// the handlers of this very request. Requests that reach the Server are left alone.
// With Identify in place of Cookies, or neither, it does nothing.
//
// A request with a session that LogIn or LogOut has given up is nobody's. It gets no
// new session within 30 seconds of that: it may have left the browser before the
// new cookies arrived, which its answer must not replace.
func (s *Server) EnsureSession(next http.Handler) http.Handler {
	cookies := s.opts.Cookies
	if cookies == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := new(ensured)
		id, _ := cookies.identify(r)
		since, retired := s.sio.Retired(id.SessionID)
		switch {
		case retired && time.Since(since) < socketio.Settling:
		case retired || id.SessionID == "":
			if retired {
				id = Identity{}
			}
			id.SessionID, id.Expires = newSessionID(), cookies.expiry(time.Now())
			before := w.Header()["Set-Cookie"]
			if err := cookies.SetSession(w, id.SessionID); err != nil {
				s.opts.Logger.Error("mojo: cannot set the session cookie", "error", err)
				http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
				return
			}
			cookies.expireHostOnlyDuplicates(w, r)
			for _, line := range w.Header()["Set-Cookie"] {
				if !slices.Contains(before, line) {
					e.lines = append(e.lines, line)
				}
			}
			e.identity = id
		default:
			e.identity = id
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), ensuredKey{s}, e)))
	})
}

// Identity tells who made a request: by its cookies or Options.Identify and, below
// EnsureSession, with what this request has changed already. Whoever is not known
// has the zero Identity; so has everybody for whom Options.Identify returns an
// error, and whoever comes with cookies that LogIn or LogOut of this Server has
// replaced.
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

// LogIn makes the browser that sent r logged in as a user: it sets the logged_in
// cookie and a new session_id, to which the login is bound, so that a session id
// that somebody else knew beforehand is of no use to them. The live connections of
// the browser's session, on every app, are closed by their transport; their clients
// come back at once under the new identity, and what still comes under the old
// session id is nobody's, until its cookie expires. (A Server remembers the latest
// 65,536 of these ids.) One that comes within 30 seconds, before its browser has
// stored the new cookies perhaps, is closed after a second and comes again.
//
// Call it before anything is written to w. It returns an error, and changes
// nothing, if userID is empty or too long, and without Options.Cookies.
func (s *Server) LogIn(w http.ResponseWriter, r *http.Request, userID string) error {
	if userID == "" {
		return errors.New("mojo: LogIn: the user id is empty; LogOut logs out")
	}
	return s.rotate(w, r, userID)
}

// LogOut removes the logged_in cookie of the browser that sent r and gives it a new
// session_id. Its live connections are closed as by LogIn. It returns an error, and
// changes nothing, without Options.Cookies.
func (s *Server) LogOut(w http.ResponseWriter, r *http.Request) error {
	return s.rotate(w, r, "")
}

// rotate gives the browser a new session, logged in as userID or, if that is
// empty, not logged in, and retires the old identity.
func (s *Server) rotate(w http.ResponseWriter, r *http.Request, userID string) error {
	cookies := s.opts.Cookies
	if cookies == nil {
		return errNoCookies
	}
	old, err := cookies.Identify(r) // what the browser has, and its connections came with
	if err != nil {
		return err
	}
	expires := cookies.expiry(time.Now())
	now := Identity{SessionID: newSessionID(), UserID: userID, Expires: expires}
	// The login first: it is the one that can be refused, and then nothing was set.
	if userID != "" {
		err = cookies.setLoginBound(w, now.SessionID, userID)
	} else {
		err = cookies.SetLogin(w, "")
	}
	if err == nil {
		err = cookies.SetSession(w, now.SessionID)
	}
	if err != nil {
		return err
	}
	cookies.expireHostOnlyDuplicates(w, r)
	if e := s.ensured(r); e != nil {
		e.become(now)
	}
	// No cookie with the old session id can outlast this, whenever it was written.
	until := expires.Add(maxCookieAhead * time.Second)
	s.sio.Retire(socketio.Identity{Session: old.SessionID, User: old.UserID}, now.SessionID, until)
	return nil
}

// become has the rest of the request be made by now.
func (e *ensured) become(now Identity) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.identity, e.lines = now, nil
}
