package mojo

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/socketio"
)

var errNoCookies = errors.New("mojo: Options.Cookies is not set, so there are no cookies to write")

// ensured is the identity of a request that EnsureSession has seen, as it will be
// when the answer has reached the browser.
type ensured struct {
	identity Identity
	fresh    bool // the session was made for this request; no client has its cookie yet
	cookies  *Cookies
}

type ensuredKey struct{}

func ensuredFrom(r *http.Request) *ensured {
	e, _ := r.Context().Value(ensuredKey{}).(*ensured)
	return e
}

// withdraw takes back the cookie of a fresh session: a request of the Server
// itself never sets one.
func (e *ensured) withdraw(w http.ResponseWriter) {
	if !e.fresh {
		return
	}
	c, header := e.cookies, w.Header()
	header["Set-Cookie"] = slices.DeleteFunc(header["Set-Cookie"], func(line string) bool {
		return c.sets(line, c.sessionName, c.attributes.Domain) || c.sets(line, c.sessionName, "")
	})
}

// EnsureSession wraps a site's handlers so that every browser has a session: a
// request without a valid session_id gets a new one, which Server.Identity shows to
// the handlers of this very request. Requests that reach the Server are left alone.
// With Identify in place of Cookies, or neither, it does nothing.
func (s *Server) EnsureSession(next http.Handler) http.Handler {
	cookies := s.opts.Cookies
	if cookies == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := cookies.identify(r)
		e := &ensured{identity: id, cookies: cookies}
		if id.SessionID == "" {
			e.identity.SessionID = newSessionID()
			e.identity.Expires = cookies.expiry(time.Now())
			e.fresh = true
			if err := cookies.SetSession(w, e.identity.SessionID); err != nil {
				s.opts.Logger.Error("mojo: cannot set the session cookie", "error", err)
				http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
				return
			}
			cookies.expireHostOnlyDuplicates(w, r)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), ensuredKey{}, e)))
	})
}

// Identity tells who made a request: by its cookies or Options.Identify and, below
// EnsureSession, with what this request has changed already. Whoever is not known
// has the zero Identity; so has everybody for whom Options.Identify returns an
// error.
func (s *Server) Identity(r *http.Request) Identity {
	if e := ensuredFrom(r); e != nil {
		return e.identity
	}
	id, err := s.identify(r)
	if err != nil {
		return Identity{}
	}
	return id
}

// LogIn makes the browser that sent r logged in as a user: it sets the logged_in
// cookie and a new session_id, to which the login is bound, so that a session id
// that somebody else knew beforehand is of no use to them. The live connections of
// the browser's session, on every app, are closed by their transport; their clients
// come back at once under the new identity, and what still comes under the old
// session id is nobody.
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
	old := s.Identity(r)
	now := Identity{SessionID: newSessionID(), UserID: userID, Expires: cookies.expiry(time.Now())}
	// The login first: it is the one that can be refused, and then nothing was set.
	var err error
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
	e := ensuredFrom(r)
	if e != nil && e.fresh { // no connection can have come with it
		old.SessionID = ""
	}
	s.sio.Retire(socketio.Identity{Session: old.SessionID, User: old.UserID}, old.Expires)
	if e != nil {
		e.identity, e.fresh = now, false
	}
	return nil
}
