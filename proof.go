package mojo

import (
	_ "embed"
	"net/http"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/socketio"
)

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
