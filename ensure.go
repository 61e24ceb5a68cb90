package mojo

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/setcookie"
	"github.com/mojosocket/mojo/internal/siblings"
	"github.com/mojosocket/mojo/internal/socketio"
)

// ensured is the state of EnsureSession for one request.
type ensured struct {
	mu sync.Mutex
	ensuredByMu

	newSession *siblings.Session // begins with the answer; nil if none does; does not change after EnsureSession
}

// ensuredByMu is guarded by ensured.mu.
type ensuredByMu struct {
	identity Identity // of the browser after it has received the answer
	lines    []string // the Set-Cookie lines of EnsureSession that are still valid
}

// ensuredKey is the key of an *ensured in the context of a request. Each Server
// has its own.
type ensuredKey struct{ server *Server }

func (s *Server) ensured(r *http.Request) *ensured {
	e, _ := r.Context().Value(ensuredKey{s}).(*ensured)
	return e
}

// replaceIdentity sets the identity for the rest of the request. The lines of
// EnsureSession stay in the header.
func (e *ensured) replaceIdentity(now Identity) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.identity, e.lines = now, nil
}

// removeLines removes from the header the lines of EnsureSession.
func (e *ensured) removeLines(w http.ResponseWriter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.lines) == 0 {
		return
	}
	header := w.Header()
	kept := slices.DeleteFunc(slices.Clone(header["Set-Cookie"]), func(line string) bool {
		return slices.Contains(e.lines, line)
	})
	e.lines = nil
	if len(kept) == 0 {
		header.Del("Set-Cookie")
		return
	}
	header["Set-Cookie"] = kept
}

// hasLines reports whether lines of EnsureSession are still valid.
func (e *ensured) hasLines() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.lines) > 0
}

// EnsureSession wraps a site's handlers so that every browser has a session. A
// request without a valid session_id gets a new one, which Server.Identity
// already shows to the handlers of this request. Requests that the Server
// serves are not changed. Without Options.Cookies it returns next.
//
// It also keeps sessions and logins from expiring while they are used. A cookie
// is written anew when a tenth of MaxAge has passed, or if another key than the
// first has signed it; the live connections of the session then last as long as
// the new cookie. Cookies are renewed in answers to requests that load a page,
// if the browser marks them so, and when half of MaxAge has passed also in
// answers to requests of a page's scripts. A renewal is not sent if a login or
// a logout has set newer cookies before it.
//
// A request with a session that LogIn or LogOut has given up has no identity.
// Within 30 seconds after that it gets no new session either: it may have left
// the browser before the new cookies arrived, and its answer must not replace
// these. A revoked session is replaced by a new one at once, which is not
// logged in. A request for part of a page, such as an image, a script, a style
// or a font, begins no session, if the browser marks it so by Sec-Fetch-Dest.
//
// An answer that sets a cookie of mojo gets the headers Vary: Cookie and
// Cache-Control: no-cache="Set-Cookie", even if a handler sets others, so that
// no cache gives the cookie to another browser. For that, handlers get an
// http.ResponseWriter that wraps the original one; it can be flushed, hijacked
// and unwrapped in the same way.
func (s *Server) EnsureSession(next http.Handler) http.Handler {
	cookies := s.opts.Cookies
	if cookies == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := new(ensured)
		p := s.prove(r)
		writer := &setcookie.Writer{ResponseWriter: w, Owner: cookies, Names: []string{cookies.sessionName, cookies.loginName}, BeforeHeader: func() {
			// The cookies of a login or logout are newer than those of this
			// request.
			if _, retired := s.sio.Retired(p.session.id); retired {
				e.removeLines(w)
			}
		}}
		defer writer.Finish() // a handler may write nothing, or panic
		w = writer
		retirement, retired := s.sio.Retired(p.session.id)
		before := w.Header()["Set-Cookie"]
		var err error
		switch {
		case retired && !retirement.Revoked && time.Since(retirement.Since) < hub.CookieDelay:
		case (retired || p.session.id == "") && !mayBeginSession(r):
			if !retired {
				e.identity = p.identity()
			}
		case retired || p.session.id == "":
			err = s.begin(w, r, p, retired, e)
			e.newSession = s.newSessions.Begin(r, e.identity.SessionID)
			writer.BeforeHeader = nil
			writer.HeaderWritten = func() {
				if e.hasLines() {
					s.newSessions.ResponseSent(e.newSession)
					s.checkSiblings(e.newSession.ID())
				} else { // a login has set other cookies
					s.newSessions.Forget(e.newSession)
				}
			}
		default:
			if s.isFresh(p.session) {
				s.newSessions.PageRequested(p.session.id)
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

// begin gives a browser a session. If it replaces a session that was given up
// or revoked, the browser is logged out, too, because a login can be valid
// without a session.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, p cookiePair, retired bool, e *ensured) error {
	cookies := s.opts.Cookies
	p.session = cookieValue{id: newSessionID(), expires: cookies.expiry(time.Now())}
	if err := cookies.SetSession(w, p.session.id); err != nil {
		return err
	}
	if retired && p.login.id != "" {
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

// renew writes the cookies of a browser anew if they are old enough.
func (s *Server) renew(w http.ResponseWriter, r *http.Request, p cookiePair, e *ensured) error {
	cookies := s.opts.Cookies
	session, login := cookies.isStale(p.session), p.login.id != "" && cookies.isStale(p.login)
	old := cookies.isOld(p.session) || p.login.id != "" && cookies.isOld(p.login)
	if !session && !login || !isPageLoad(r) && !(old && isScriptRequest(r)) {
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
	s.sio.Extend(identified(e.identity))
	return nil
}

// renewals is the number of times that a cookie is written anew within its
// MaxAge.
const renewals = 10

// isStale reports whether a cookie should be written anew.
func (c *Cookies) isStale(v cookieValue) bool {
	return !v.current || time.Since(c.written(v)) >= time.Duration(c.maxAge)*time.Second/renewals
}

// isOld reports whether half of a cookie's MaxAge has passed.
func (c *Cookies) isOld(v cookieValue) bool {
	return time.Since(c.written(v)) >= time.Duration(c.maxAge)*time.Second/2
}

// isScriptRequest reports whether a request is one of a script in one of the
// site's own pages. If no page is loaded for a long time, these requests keep
// the cookies from expiring.
func isScriptRequest(r *http.Request) bool {
	site, dest := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Dest")
	return (site == "" || site == "same-origin") && (dest == "" || dest == "empty") && !r.URL.Query().Has("EIO")
}

// isPageLoad reports whether a request may load a page. If fewer answers set
// cookies, it is less likely that one of them overlaps with a login and undoes
// it. Requests of socket.io-client are for the Server.
func isPageLoad(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return (mode == "" || mode == "navigate") && !r.URL.Query().Has("EIO")
}

// mayBeginSession reports whether a request may begin a session. A request for
// part of a page may not, because caches may store its answer. Browsers mark it
// by Sec-Fetch-Dest.
func mayBeginSession(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "", "document", "iframe", "frame", "fencedframe", "embed", "object", "empty":
		return true
	}
	return false
}

// sessionBeginner returns beginSession if Options.BeginSessions is set, nil
// otherwise.
func (s *Server) sessionBeginner() func(*http.Request, command.Identified) *socketio.NewSession {
	if !s.opts.BeginSessions {
		return nil
	}
	return s.beginSession
}

// beginSession gives the client of a handshake a session, unless it has one or
// the answer to another request is about to give it one.
func (s *Server) beginSession(r *http.Request, id command.Identified) *socketio.NewSession {
	retirement, retired := s.sio.Retired(id.Session)
	if id.Session != "" && (!retired || retirement.Revoked || time.Since(retirement.Since) < hub.CookieDelay) {
		return nil
	}
	cookies := s.opts.Cookies
	w := headerWriter{"Cache-Control": {"no-store"}}
	session, expires := newSessionID(), cookies.expiry(time.Now())
	err := cookies.SetSession(w, session)
	if err == nil && retired && id.User != "" { // see begin
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
	return &socketio.NewSession{Identified: id, Header: http.Header(w), Admitted: func() {
		s.warnOfPlainHTTP(r)
		s.trackSession(r, session)
	}}
}

// headerWriter is an http.ResponseWriter that only collects a header.
type headerWriter http.Header

func (w headerWriter) Header() http.Header         { return http.Header(w) }
func (w headerWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w headerWriter) WriteHeader(int)             {}

// trackSession remembers a session that begins outside of EnsureSession. For a
// moment its browser may not have the cookie.
func (s *Server) trackSession(r *http.Request, id string) {
	if !siblings.IsBrowser(r) {
		return
	}
	session := s.newSessions.Begin(r, id)
	time.AfterFunc(siblings.CookieDelay, func() {
		s.newSessions.ResponseSent(session)
		s.checkSiblings(id)
	})
}

// isFresh reports whether a session began less than siblings.MaxAge ago.
func (s *Server) isFresh(session cookieValue) bool {
	return session.id != "" && time.Since(s.opts.Cookies.written(session)) < siblings.MaxAge
}

// checkSiblings closes, a moment later, the connections under id and its
// siblings whose session the browser did not keep. Their clients reconnect with
// the cookies of the browser.
func (s *Server) checkSiblings(id string) {
	if s.newSessions.ScheduleCheck(id) != nil {
		time.AfterFunc(siblings.CookieDelay, func() { s.closeLost(id, true) })
	}
}

// closeLost closes the connections under id and its siblings whose session the
// browser did not keep. With crossing, siblings are only sessions whose
// requests overlapped.
func (s *Server) closeLost(id string, crossing bool) {
	s.siblingsMu.Lock() // so that a call for a sibling, at the same time, closes nothing
	defer s.siblingsMu.Unlock()
	if s.sio.CloseAnonymous(s.newSessions.Unused(id, crossing)) > 0 {
		s.newSessions.Reconnected(id)
	}
}
