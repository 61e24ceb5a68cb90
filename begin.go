package mojo

import (
	"net/http"
	"time"

	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/socketio"
)

// beginner is beginSession if Options.BeginSessions is set, and nil otherwise.
func (s *Server) beginner() func(*http.Request, socketio.Identified) *socketio.Begun {
	if !s.opts.BeginSessions {
		return nil
	}
	return s.beginSession
}

// beginSession gives the client of a handshake a session, unless it has one or is
// about to get one.
func (s *Server) beginSession(r *http.Request, id socketio.Identified) *socketio.Begun {
	gone, givenUp := s.sio.Retired(id.Session)
	if id.Session != "" && (!givenUp || gone.Revoked || time.Since(gone.Since) < hub.Settling) {
		return nil
	}
	cookies := s.opts.Cookies
	w := headerWriter{"Cache-Control": {"no-store"}}
	session, expires := newSessionID(), cookies.expiry(time.Now())
	err := cookies.SetSession(w, session)
	if err == nil && givenUp && id.User != "" { // see EnsureSession
		err, id.User = cookies.SetLogin(w, ""), ""
	}
	if err != nil {
		s.opts.Logger.Error("mojo: cannot set the session cookie", "error", err)
		return nil
	}
	id.Session = session
	if id.User == "" || expires.Before(id.Expires) {
		id.Expires = expires
	}
	return &socketio.Begun{Identified: id, Header: http.Header(w), Taken: func() {
		s.warnOfPlainHTTP(r)
		s.beginsElsewhere(r, session)
	}}
}

// headerWriter is the http.ResponseWriter of an answer that others write.
type headerWriter http.Header

func (w headerWriter) Header() http.Header         { return http.Header(w) }
func (w headerWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w headerWriter) WriteHeader(int)             {}
