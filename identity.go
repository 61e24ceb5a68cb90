package mojo

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/socketio"
)

var errNoCookies = errors.New("mojo: Options.Cookies is not set, so there are no cookies to write")

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

// LogIn makes the browser that sent r logged in as a user: it sets the logged_in
// cookie and a new session_id, to which the login is bound, so that a session id
// that somebody else knew beforehand is of no use to them.
//
// The live connections of the browser's session, in every tab and on every app,
// become the user's without a new connection. As others may know the session that
// the browser had before, or may even have planted it, each of them needs a proof
// that it belongs to this browser. When LogIn has returned they are nobody's, in no
// index of a user or session; messages to rooms and to everybody still arrive. With
// the proof a connection is reachable under the user and the new session id, and
// gets what was sent to these since LogIn, up to Options.Limits.MaxQueue bytes. A
// connection that was the same user's before needs no proof. The proof is one of
//
//   - a poll of the connection with the new cookies. The browser has to say that a script
//     makes the request. Today's browsers say so by https. Clients that are no browsers
//     need not;
//   - the header SocketIDHeader of r, in which a page that logs in by a script names
//     the socket.id of its own connection, if that has the session of r;
//   - a request of the page with the new cookies that carries the value which came on
//     the connection, see IdentityEvent; mojo.js does that.
//
// Without a proof the connection is closed by its transport, with
// ReasonIdentityChanged: half a second after the value was sent, or five seconds after
// the change if its page has tried. Its client comes back by itself, with the cookies
// that its browser has.
//
// Handlers are told of each change, see IdentityObserver; rooms stay as they are.
// Requests of these connections may come with the cookies of before until the first
// one with the new cookies, for 30 seconds at most; over polling they read nothing
// that was sent after a change. Connections that came without a session cannot be
// found: wrap the site's pages with EnsureSession.
//
// A new connection that comes with the old session id is nobody's, until its cookie
// has expired. (A Server remembers the latest 65,536 of these ids.) If it comes
// within 30 seconds, before its browser has stored the new cookies perhaps, it is
// closed after a second and comes again.
//
// If the browser has several sessions, because CookieOptions.Path or Domain has changed,
// all of them are given up. Connections of those that did not count come again. The
// cookies of before are removed, as far as the path and the host of r tell what they are.
//
// Call it before anything is written to w: outside of EnsureSession a call that is too
// late cannot be noticed, and the browser does not get the cookies. It returns an error, and changes
// nothing, if userID is empty or too long, without Options.Cookies, and below
// EnsureSession if it is too late. The context of r takes the part of Revoke's ctx: the
// change is applied as a whole, to the connections of this process, even if the client
// has gone meanwhile. It is safe for concurrent use.
func (s *Server) LogIn(w http.ResponseWriter, r *http.Request, userID string) error {
	if userID == "" {
		return errors.New("mojo: LogIn: the user id is empty; LogOut logs out")
	}
	return s.rotate(w, r, userID)
}

// LogOut removes the logged_in cookie of the browser that sent r and gives it a new
// session_id. Its live connections go on under that, as nobody's in particular, and
// need no proof: when LogOut has returned, nothing that is sent to the user is queued
// for them any more, by whomever; what was queued before arrives. Otherwise it is
// like LogIn.
func (s *Server) LogOut(w http.ResponseWriter, r *http.Request) error {
	return s.rotate(w, r, "")
}

// rotate gives the browser a new session, logged in as userID or, if that is
// empty, not logged in, and moves its connections there.
func (s *Server) rotate(w http.ResponseWriter, r *http.Request, userID string) error {
	cookies := s.opts.Cookies
	if cookies == nil {
		return errNoCookies
	}
	sent, _ := cookies.read(r) // what the browser has, and its connections came with
	p, _ := sent.pick(s.isCurrent)
	old := p.identity()
	made := time.Unix(time.Now().Unix(), 0) // as the cookies have it
	now := Identity{SessionID: newSessionID(), UserID: userID, Expires: cookies.expiry(made)}
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
	cookies.expireOthers(w, r, sent)
	if e := s.ensured(r); e != nil {
		e.become(now)
	}
	s.warnOfPlainHTTP(r)
	if old.SessionID == "" {
		s.beginsElsewhere(r, now.SessionID)
		s.warnOfNoSession(r)
	}
	if old.SessionID != "" && !s.sio.Connected(old.SessionID) {
		s.comeAgain(old.SessionID, false)
	}
	to := inner(now)
	to.Proven = made
	return edge(s.sio.Change(command.Rebind{
		From: inner(old).Identity, Others: sent.sessionsBut(old.SessionID), To: to,
		Until: s.latestExpiry(), SeatID: r.Header.Get(SocketIDHeader),
	}))
}

// warnOfNoSession says that the connections of a browser cannot be found, as it has no
// session, nor a way to get one.
func (s *Server) warnOfNoSession(r *http.Request) {
	if s.ensured(r) != nil || s.opts.BeginSessions {
		return
	}
	s.warn.Warn("no session", "mojo: a browser without a session has logged in or out, so none of its live connections can be found",
		"help", "wrap the site's pages with Server.EnsureSession or, where these are static files, set Options.BeginSessions")
}

// latestExpiry is when no cookie that was written up to now counts any more; zero
// if that is not known.
func (s *Server) latestExpiry() time.Time {
	if s.opts.Cookies == nil {
		return time.Time{}
	}
	return s.opts.Cookies.expiry(time.Now()).Add(maxCookieAhead * time.Second)
}

// Rebind is LogIn and LogOut for sites with a login of their own: the live
// connections of a session go on as now, by the same guarantees, and the old id
// opens nothing new if now has another one. Where they become a user whom they were
// not they need a proof as after LogIn: a request for which Options.Identify, or the
// cookies, say that it is made by now. Call it when the site has changed whom
// its cookies stand for, and before the answer leaves that tells the browser. An
// empty UserID logs out; an empty SessionID leaves connections without a session,
// which Options.RequireSession closes. With an Expires they are closed then.
//
// It returns an error, and changes nothing, if sessionID is empty, if it or the new
// ids are too long or not valid UTF-8, if now.SessionID is one that was given up or
// revoked, and without Options.Cookies or Identify. That nobody is connected is no
// error. As with Session.Revoke, the change is always applied as a whole, to the
// connections of this process, whether or not ctx has ended. It is safe for
// concurrent use.
func (s *Server) Rebind(ctx context.Context, sessionID string, now Identity) error {
	if s.opts.Cookies == nil && s.opts.Identify == nil {
		return errors.New("mojo: Rebind: neither Options.Cookies nor Options.Identify is set, so nobody has a session")
	}
	if sessionID == "" {
		return errors.New("mojo: Rebind: the session id is empty; want the one that connections have now")
	}
	for _, id := range []string{sessionID, now.SessionID} {
		if err := checkID("session", id); err != nil {
			return err
		}
	}
	if err := checkID("user", now.UserID); err != nil {
		return err
	}
	err := s.sio.Change(command.Rebind{
		From: socketio.Identity{Session: sessionID}, To: inner(now), Until: s.latestExpiry(),
	})
	if errors.Is(err, hub.ErrGivenUp) {
		return errors.New("mojo: Rebind: now.SessionID was given up or revoked; want a new one")
	}
	return edge(err)
}

// IdentityObserver may be implemented by a SocketHandler that wants to know when
// the identity of a connection changes. OnIdentity is called after LogIn, LogOut or
// Rebind, once for each change and connection and in their order, between the other
// calls for that Conn; c.Identity may be ahead of now. After a LogIn it is called
// when the connection has proven that it is the user's, see LogIn, and, if it was
// another user's, also when it has become nobody's before that. It is the place to leave
// rooms that were the old user's. An error disconnects the Conn: the client gets a
// RevokedEvent with CodeRefused, with the error's text if it is a ClientError, and
// OnDisconnect gets ReasonIdentityRefused. A connection that was still in OnConnect
// is told afterwards; one that began after the change is not, nor is any where the ids
// stay as they are.
type IdentityObserver interface {
	OnIdentity(c *Conn, old, now Identity) error
}
