package mojo

import (
	"context"
	_ "embed"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/socketio"
)

var errNoCookies = errors.New("mojo: Options.Cookies is not set, so there are no cookies to write")

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
		s.closeLost(old.SessionID, false)
	}
	to := inner(now)
	to.Proven = made
	return wrapError(s.sio.Change(command.Rebind{
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
	return wrapError(err)
}

// IdentityEvent is the event that asks a client to prove that it belongs to the
// browser that has just logged in, see Server.LogIn. Its argument is an object with
// the value to send back as proof:
//
//	socket.on("mojo:identity", ({proof}) => { ... })
//
// The page sends it in the header IdentityHeader of a POST request with its cookies
// to the path at which the Server is mounted. The answer is 204 when the connection
// has become the user's; 409 if the cookies are not those of the login, or it cannot be
// known whose they are, so that the page should try again a little later: the browser may
// not have stored them yet; and 404 if there is nothing to prove any more. The script mojo.js, which
// the Server serves beside that path (/socket.io/mojo.js), does all this:
//
//	mojo.follow(io("/ChatSocket"))
const IdentityEvent = "mojo:identity"

// IdentityHeader is the header of a request that proves to which browser a
// connection belongs, see IdentityEvent.
const IdentityHeader = "X-Mojo-Identity"

// SocketIDHeader is a header in which a login request can name one connection of
// its browser by its socket.id, see Server.LogIn.
const SocketIDHeader = "X-Socket-Id"

//go:embed mojo.js
var pageScript string

// asksForPageScript reports whether a request is for mojo.js.
func asksForPageScript(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/mojo.js") && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// servePageScript answers whoever asks, as pages of other origins may load it.
func servePageScript(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(pageScript))
}

// serveAside answers the requests under the Server's path that are not of the
// protocol. A browser sends a page's request with a header of this name only to an
// origin that permits it, so no other site can have its visitors send a proof.
func (s *Server) serveAside(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodPost || r.Header[IdentityHeader] == nil {
		return false
	}
	s.serveProof(w, r)
	return true
}

// serveProof answers a request with the value of an IdentityEvent.
func (s *Server) serveProof(w http.ResponseWriter, r *http.Request) {
	status := http.StatusNotFound
	switch s.sio.Prove(r.Header.Get(IdentityHeader), r) {
	case socketio.Proven:
		status = http.StatusNoContent
	case socketio.NotProven:
		status = http.StatusConflict
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
}

// warnOfPlainHTTP says that the browser drops the cookies of the answer to r, if it
// does: with Secure they are for https alone. That is not to be seen on the server
// behind a proxy that ends TLS, so it goes by what the browser says of its page.
func (s *Server) warnOfPlainHTTP(r *http.Request) {
	if !s.opts.Cookies.attributes.Secure || r.TLS != nil || !isPlainHTTP(r) {
		return
	}
	s.warn.Warn("Insecure", "mojo: a browser is sent cookies with Secure by plain HTTP, and drops them: nobody can log in there; "+
		"serve the site by https or, for development, set CookieOptions.Insecure", "host", r.Host)
}

// isPlainHTTP reports whether a request is of a page that was loaded by plain HTTP,
// from another machine. Most browsers take Secure cookies of their own machine.
func isPlainHTTP(r *http.Request) bool {
	for _, name := range []string{"Origin", "Referer"} {
		page, err := url.Parse(r.Header.Get(name))
		if err == nil && page.Scheme == "http" && strings.EqualFold(page.Host, r.Host) {
			return !isLoopback(page.Hostname())
		}
	}
	return false
}

func isLoopback(host string) bool {
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}
