package mojo

import (
	"net/http"
	"time"

	"github.com/mojosocket/mojo/internal/socketio"
)

// beginner is beginSession if Options.BeginSessions is set, and nil otherwise.
func (s *Server) beginner() func(*http.Request, socketio.Identified) (socketio.Identified, http.Header) {
	if !s.opts.BeginSessions {
		return nil
	}
	return s.beginSession
}

// beginSession gives the client of a handshake a session, unless it has one or is
// about to get one. The header tells the client.
func (s *Server) beginSession(r *http.Request, id socketio.Identified) (socketio.Identified, http.Header) {
	gone, givenUp := s.sio.GivenUp(id.Session)
	if id.Session != "" && (!givenUp || gone.Revoked || time.Since(gone.Since) < socketio.Settling) {
		return id, nil
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
		return id, nil
	}
	id.Session = session
	if id.User == "" || expires.Before(id.Expires) {
		id.Expires = expires
	}
	s.warnOfPlainHTTP(r)
	if isBrowser(r) {
		s.fresh.answer(s.fresh.begin(r, session))
		s.doubt(session)
	}
	return id, http.Header(w)
}

// isBrowser reports whether a handshake is a browser's, which keeps one session of
// several that it gets at once. Other clients may keep none.
func isBrowser(r *http.Request) bool {
	return r.Header.Get("Origin")+r.Header.Get("Sec-Fetch-Site") != "" && r.Header.Get("Accept-Language") != ""
}

// headerWriter is the http.ResponseWriter of an answer that others write.
type headerWriter http.Header

func (w headerWriter) Header() http.Header         { return http.Header(w) }
func (w headerWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w headerWriter) WriteHeader(int)             {}
