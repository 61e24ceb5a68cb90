package mojo

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/setcookie"
	"github.com/mojosocket/mojo/internal/siblings"
	"github.com/mojosocket/mojo/internal/socketio"
)

// ensured is the identity of a request that EnsureSession has seen, as it will be
// when the answer has reached the browser.
type ensured struct {
	mu       sync.Mutex // guards what follows
	identity Identity
	lines    []string // the Set-Cookie lines that EnsureSession has added and that count

	fresh *siblings.Session // the session that begins with the answer, nil if none does
}

// ensuredKey is the key in a request's context for what the EnsureSession of one
// Server has found.
type ensuredKey struct{ server *Server }

func (s *Server) ensured(r *http.Request) *ensured {
	e, _ := r.Context().Value(ensuredKey{s}).(*ensured)
	return e
}

// become has the rest of the request be made by now.
func (e *ensured) become(now Identity) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.identity, e.lines = now, nil
}

// withdraw takes back what EnsureSession has set, for a request of the Server itself or
// one that is overtaken.
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
	e.lines = nil
	if len(left) == 0 {
		header.Del("Set-Cookie")
		return
	}
	header["Set-Cookie"] = left
}

// begins reports whether what EnsureSession has set is still in the answer.
func (e *ensured) begins() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.lines) > 0
}

// EnsureSession wraps a site's handlers so that every browser has a session: a
// request without a valid session_id gets a new one, which Server.Identity shows to
// the handlers of this very request. Requests that reach the Server are left alone.
// With Identify in place of Cookies, or neither, it does nothing.
//
// It also keeps sessions and logins from expiring while they are used: when a tenth
// of MaxAge has passed, or if another key than the first has signed it, a cookie is
// written anew, and the live connections of the session last as long as the new
// one. That is done for requests that load a page, as far as the browser tells; when
// half of MaxAge has passed also for those of a page's scripts. A renewal that a login
// or a logout overtakes is not sent.
//
// A request with a session that LogIn or LogOut has given up is nobody's. It gets no
// new session within 30 seconds of that: it may have left the browser before the
// new cookies arrived, which its answer must not replace. A revoked session is
// replaced by a new one at once. The new one is not logged in. What a page loads for
// itself, such as images, scripts, styles and fonts, begins no session, as far as the
// browser tells by Sec-Fetch-Dest.
//
// An answer on which mojo sets a cookie says so to caches, whatever the handlers set:
// Vary: Cookie and Cache-Control: no-cache="Set-Cookie" are added to it. Handlers get
// an http.ResponseWriter of EnsureSession for that, which can be flushed, hijacked and
// unwrapped as the one that it wraps.
func (s *Server) EnsureSession(next http.Handler) http.Handler {
	cookies := s.opts.Cookies
	if cookies == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := new(ensured)
		p := s.prove(r)
		cw := &setcookie.Writer{ResponseWriter: w, Owner: cookies, Names: []string{cookies.sessionName, cookies.loginName}, Before: func() {
			// A login or logout was faster: its cookies count, and not those of before.
			if _, givenUp := s.sio.Retired(p.session.id); givenUp {
				e.withdraw(w)
			}
		}}
		defer cw.Finish() // for a handler that writes nothing, or panics
		w = cw
		gone, givenUp := s.sio.Retired(p.session.id)
		before := w.Header()["Set-Cookie"]
		var err error
		switch {
		case givenUp && !gone.Revoked && time.Since(gone.Since) < hub.Settling:
		case (givenUp || p.session.id == "") && !mayBegin(r):
			if !givenUp {
				e.identity = p.identity()
			}
		case givenUp || p.session.id == "":
			err = s.begin(w, r, p, givenUp, e)
			e.fresh = s.fresh.Begin(r, e.identity.SessionID)
			cw.Before = nil
			cw.Sent = func() {
				if e.begins() {
					s.fresh.Answered(e.fresh)
					s.checkSiblings(e.fresh.ID())
				} else { // a login has taken its place
					s.fresh.Forget(e.fresh)
				}
			}
		default:
			if s.isFresh(p.session) {
				s.fresh.Seen(p.session.id)
			}
			e.identity = p.identity()
			err = s.renew(w, r, p, e)
		}
		if err != nil {
			s.opts.Logger.Error("mojo: cannot set the session cookie", "error", err)
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		for _, line := range w.Header()["Set-Cookie"] {
			if !slices.Contains(before, line) {
				e.lines = append(e.lines, line)
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), ensuredKey{s}, e)))
	})
}

// begin gives a browser a session. In the place of one that was given up it is not
// logged in, and neither are the next requests: a login may stand without a session.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, p proof, givenUp bool, e *ensured) error {
	cookies := s.opts.Cookies
	p.session = cookieValue{id: newSessionID(), expires: cookies.expiry(time.Now())}
	if err := cookies.SetSession(w, p.session.id); err != nil {
		return err
	}
	if givenUp && p.login.id != "" {
		if err := cookies.SetLogin(w, ""); err != nil {
			return err
		}
		p.login = cookieValue{}
	}
	sent, _ := cookies.read(r)
	cookies.expireOthers(w, r, sent)
	e.identity = p.identity()
	return nil
}

// renew writes the cookies of a browser anew if it is time to.
func (s *Server) renew(w http.ResponseWriter, r *http.Request, p proof, e *ensured) error {
	cookies := s.opts.Cookies
	session, login := cookies.isStale(p.session), p.login.id != "" && cookies.isStale(p.login)
	old := cookies.isOld(p.session) || p.login.id != "" && cookies.isOld(p.login)
	if !session && !login || !loadsPage(r) && !(old && fetches(r)) {
		return nil
	}
	var err error
	expires := cookies.expiry(time.Now())
	if session {
		err = cookies.SetSession(w, p.session.id)
		p.session.expires = expires
	}
	if login && err == nil {
		if p.login.sessionID != "" {
			err = cookies.setLoginBound(w, p.login.sessionID, p.login.id)
		} else {
			err = cookies.SetLogin(w, p.login.id)
		}
		p.login.expires = expires
	}
	if err != nil {
		return err
	}
	sent, _ := cookies.read(r)
	cookies.expireOthers(w, r, sent)
	e.identity = p.identity()
	s.sio.Extend(inner(e.identity))
	return nil
}

// renewals is how often a cookie is written anew within its MaxAge.
const renewals = 10

// isStale reports whether a cookie is due to be written anew.
func (c *Cookies) isStale(v cookieValue) bool {
	return !v.current || time.Since(c.written(v)) >= time.Duration(c.maxAge)*time.Second/renewals
}

// isOld reports whether half of a cookie's time has passed.
func (c *Cookies) isOld(v cookieValue) bool {
	return time.Since(c.written(v)) >= time.Duration(c.maxAge)*time.Second/2
}

// fetches reports whether a request is that of a script in one of the site's own pages.
// Where no page is loaded for a long time, these have to keep the cookies.
func fetches(r *http.Request) bool {
	site, dest := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Dest")
	return (site == "" || site == "same-origin") && (dest == "" || dest == "empty") && !r.URL.Query().Has("EIO")
}

// loadsPage reports whether a request may be that of a person who goes to a page.
// The fewer requests carry cookies back, the less likely one of them crosses a
// login and undoes it. Those of socket.io-client are not for us to answer.
func loadsPage(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return (mode == "" || mode == "navigate") && !r.URL.Query().Has("EIO")
}

// mayBegin reports whether a request may be the first of a person who has come to
// the site. What a page loads for itself is not: browsers say so, and the answer may
// be one that caches keep.
func mayBegin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "", "document", "iframe", "frame", "fencedframe", "embed", "object", "empty":
		return true
	}
	return false
}

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

// beginsElsewhere notes a session that begins with an answer that is not
// EnsureSession's. The browser may be without it for a moment.
func (s *Server) beginsElsewhere(r *http.Request, id string) {
	if !siblings.IsBrowser(r) {
		return
	}
	fresh := s.fresh.Begin(r, id)
	time.AfterFunc(siblings.Settle, func() {
		s.fresh.Answered(fresh)
		s.checkSiblings(id)
	})
}

// isFresh reports whether a session began a moment ago.
func (s *Server) isFresh(session cookieValue) bool {
	return session.id != "" && time.Since(s.opts.Cookies.written(session)) < siblings.FreshTime
}

// checkSiblings closes, a moment later, the connections of a session and its siblings
// that may belong to a session that their browser does not have. Their clients come
// back with the cookies of the browser.
func (s *Server) checkSiblings(id string) {
	if s.fresh.Schedule(id) != nil {
		time.AfterFunc(siblings.Settle, func() { s.closeLost(id, true) })
	}
}

func (s *Server) closeLost(id string, crossing bool) {
	closed := 0
	for _, lost := range s.fresh.Lost(id, crossing) {
		closed += s.sio.ComeAgain(lost)
	}
	if closed > 0 {
		s.fresh.Settled(id)
	}
}
