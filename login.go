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

// LogIn makes the browser that sent r logged in as a user: it sets the
// logged_in cookie and a new session_id cookie. The login is bound to the new
// session, so that nobody can use a session id that they knew before.
//
// The live connections of the browser's session, in every tab and on every app,
// become the user's without reconnecting. An attacker may know the previous
// session of the browser, or may have planted it. So each connection first has
// to prove that it belongs to this browser. When LogIn returns the connections
// belong to no session and no user; messages to rooms and to the whole Channel
// still arrive. With its proof a connection is reachable under the user and the
// new session id, and gets what was sent to these since LogIn, up to
// Limits.MaxQueue bytes. A connection that belonged to the same user before
// needs no proof. The proof is one of these:
//
//   - a poll of the connection with the new cookies, if the browser says that a
//     script makes the request. Today's browsers say so over https; clients
//     other than browsers need not;
//   - the header SocketIDHeader of r, in which a page that logs in by a script
//     names the socket.id of its own connection, if the connection has the
//     session of r;
//   - a request of the page with the new cookies and the value that it received
//     on the connection, see IdentityEvent. The script mojo.js does that.
//
// Without a proof the connection is closed by its transport, with
// ReasonIdentityChanged: half a second after the value was sent, or five
// seconds after the change if its page has tried to prove it. Its client
// reconnects by itself, with the cookies of its browser.
//
// An IdentityObserver is called for each change. The rooms stay as they are.
// Requests of these connections may still have the previous cookies, for at
// most 30 seconds and until the first request with the new ones; over polling
// they receive nothing that was sent after a change. Connections without a
// session cannot be found: wrap the site's pages with EnsureSession.
//
// A new connection with the old session id has no identity, until its cookie
// has expired. (A Server remembers the latest 65,536 of these ids, and with
// Options.Ledger also after a restart.) If it begins within 30 seconds, when its
// browser may not have stored the new cookies yet, it is closed after a second,
// and its client reconnects.
//
// If the browser has several sessions, because CookieOptions.Path or Domain has
// changed, all of them are given up. The clients of those that were not in use
// reconnect. The previous cookies are removed if they have the path of r or one
// above it, and the host of r or a domain above it.
//
// Call LogIn before anything is written to w. Outside of EnsureSession a call
// that is too late cannot be noticed, and the browser does not get the cookies.
// LogIn returns an error, and changes nothing, if userID is empty or too long,
// if Options.Cookies is not set, and below EnsureSession if it is too late. As
// with Session.Revoke, the change is always applied as a whole, even if the
// context of r has ended. With Options.Cluster it is applied to the connections
// of all processes, and an UnconfirmedError says that some have not confirmed
// it in time: the browser gets its cookies nevertheless. So it does after an
// ErrNotStored, of Options.Ledger. It is safe for concurrent use.
func (s *Server) LogIn(w http.ResponseWriter, r *http.Request, userID string) error {
	if userID == "" {
		return errors.New("mojo: LogIn: the user id is empty; LogOut logs out")
	}
	return s.rotate(w, r, userID)
}

// LogOut removes the logged_in cookie of the browser that sent r and gives it a
// new session_id. Its live connections get the new session without a user, and
// need no proof. When LogOut returns, no later message to the user is queued
// for them; messages that were queued before arrive. Otherwise it is like
// LogIn.
func (s *Server) LogOut(w http.ResponseWriter, r *http.Request) error {
	return s.rotate(w, r, "")
}

// rotate gives the browser a new session and moves its connections to it. The
// session is logged in as userID, or not logged in if that is empty.
func (s *Server) rotate(w http.ResponseWriter, r *http.Request, userID string) error {
	cookies := s.opts.Cookies
	if cookies == nil {
		return errNoCookies
	}
	sent, _ := cookies.read(r)
	p, _ := sent.pick(s.isCurrent)
	old := p.identity()
	loginTime := time.Unix(time.Now().Unix(), 0) // in whole seconds, as in the cookies
	now := Identity{SessionID: newSessionID(), UserID: userID, Expires: cookies.expiry(loginTime)}
	// The login comes first: if it is refused, nothing was set.
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
		e.replaceIdentity(now)
	}
	s.warnOfPlainHTTP(r)
	if old.SessionID == "" {
		s.trackSession(r, now.SessionID)
		s.warnOfNoSession(r)
	}
	if old.SessionID != "" && !s.sio.Connected(old.SessionID) {
		s.closeLost(old.SessionID, false)
	}
	to := identified(now)
	to.LoginTime = loginTime
	return wrapError(s.sio.Change(r.Context(), command.Rebind{
		From: identified(old).Identity, Others: sent.otherSessions(old.SessionID), To: to,
		Until: s.latestExpiry(), SeatID: r.Header.Get(SocketIDHeader),
	}))
}

// warnOfNoSession logs that the connections of a browser cannot be found,
// because it has no session and no way to get one.
func (s *Server) warnOfNoSession(r *http.Request) {
	if s.ensured(r) != nil || s.opts.BeginSessions {
		return
	}
	s.warn.Warn("no session", "mojo: a browser without a session has logged in or out, so none of its live connections can be found",
		"help", "wrap the site's pages with Server.EnsureSession or, where these are static files, set Options.BeginSessions")
}

// Rebind is LogIn and LogOut for sites with sessions of their own: it gives the
// live connections of a session the identity now, with the same guarantees. If
// now has another session id, the old one is refused from then on. Where
// connections get a user that they did not have, they need a proof as after
// LogIn: a request for which Options.Identify, or the cookies, return now. Call
// it after the site has changed the identity of its cookies, and before it
// sends the answer to the browser.
//
// An empty now.UserID logs out. An empty now.SessionID leaves connections
// without a session, which Options.RequireSession closes. If now.Expires is
// set, the connections are closed then.
//
// It returns an error, and changes nothing, if sessionID is empty; if it or the
// new ids are too long or not valid UTF-8; if now.SessionID was given up or
// revoked; and without Options.Cookies and Identify. If the session has no
// connection, it is no error. As with Session.Revoke, the change is always
// applied as a whole, even if ctx has ended, and with Options.Cluster to the
// connections of all processes: see LogIn about UnconfirmedError and
// ErrNotStored. It is safe for concurrent use.
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
	err := s.sio.Change(ctx, command.Rebind{
		From: command.Identity{Session: sessionID}, To: identified(now), Until: s.latestExpiry(),
	})
	if errors.Is(err, hub.ErrGivenUp) {
		return errors.New("mojo: Rebind: now.SessionID was given up or revoked; want a new one")
	}
	return wrapError(err)
}

// IdentityEvent is the event that asks a client to prove that it belongs to the
// browser that has just logged in, see Server.LogIn. Its argument is an object
// with the value to send back as proof:
//
//	socket.on("mojo:identity", ({proof}) => { ... })
//
// The page sends the value in the header IdentityHeader of a POST request with
// its cookies, to the path at which the Server is mounted. The answer is 204
// when the connection has become the user's. It is 409 if the cookies are not
// those of the login, or if it cannot be known whose they are: the browser may
// not have stored them yet, so the page should try again a little later. It is
// 404 if there is nothing to prove any more. The script mojo.js, which the
// Server serves beside that path (/socket.io/mojo.js), does all this:
//
//	mojo.follow(io("/ChatSocket"))
const IdentityEvent = "mojo:identity"

// IdentityHeader is the header of a request that proves to which browser a
// connection belongs, see IdentityEvent.
const IdentityHeader = "X-Mojo-Identity"

// SocketIDHeader is a header in which a login request can name one connection
// of its browser by its socket.id, see Server.LogIn.
const SocketIDHeader = "X-Socket-Id"

//go:embed mojo.js
var pageScript string

// asksForPageScript reports whether a request is for mojo.js.
func asksForPageScript(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/mojo.js") && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// servePageScript answers any client, because pages of other origins may load
// the script.
func servePageScript(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(pageScript))
}

// serveOther answers requests under the Server's path that are not part of the
// protocol, and reports whether r is one. A browser sends a page's request with
// a header of this name only to an origin that permits it, so no other site can
// make its visitors send a proof.
func (s *Server) serveOther(w http.ResponseWriter, r *http.Request) bool {
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

// warnOfPlainHTTP logs that the browser drops the cookies of the answer to r,
// because they are Secure and the page was loaded by plain HTTP. Behind a proxy
// that ends TLS the server cannot see that, so the function uses the address of
// the page in the request.
func (s *Server) warnOfPlainHTTP(r *http.Request) {
	if !s.opts.Cookies.attributes.Secure || r.TLS != nil || !isPlainHTTP(r) {
		return
	}
	s.warn.Warn("Insecure", "mojo: a browser drops cookies with Secure that it gets by plain HTTP, so nobody can log in there; "+
		"serve the site by https or, for development, set CookieOptions.Insecure", "host", r.Host)
}

// isPlainHTTP reports whether the page of a request was loaded by plain HTTP
// from another machine. Most browsers accept Secure cookies of their own
// machine.
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
