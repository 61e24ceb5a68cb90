package socketio

import (
	"net/http"
	"strings"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// A connection gets a claim when a change of identity would give it a user that
// it did not have, see package hub. The proof is a request with the new
// cookies: a poll of the connection, or a request with the value that the
// connection received in a ClaimEvent. A login request can also name one
// connection of its session. Without a proof the connection is closed by its
// transport, so that its client reconnects with the cookies of its browser.

// ClaimEvent is the event that tells a client the value of its claim.
const ClaimEvent = "mojo:identity"

// isOwnPoll reports whether a script made this poll. Only the client of the
// connection makes polls by a script. An attacker can put an image or a link
// into a page of the site, so that the browser sends a request with the same
// URL. The headers Sec-Fetch-* tell the two apart. Current browsers send them
// over https. For requests without them, Origin and User-Agent decide.
func (c *client) isOwnPoll(r *http.Request) bool {
	if r.Method != http.MethodGet || c.session.Transport() != engineio.Polling {
		return false
	}
	switch mode, dest := r.Header.Get("Sec-Fetch-Mode"), r.Header.Get("Sec-Fetch-Dest"); mode {
	case "":
		return r.Header.Get("Origin") != "" || !strings.Contains(r.UserAgent(), "Mozilla/")
	case "cors", "websocket":
		return dest == "empty" || dest == "websocket"
	}
	return false
}

// prove gives a connection the identity that it claims. It reports false if
// `now` is another identity, or is not valid any more.
func (c *client) prove(now command.Identified) bool {
	s := c.server
	s.changeMu.Lock()
	defer s.changeMu.Unlock()
	from, to, presence := s.hub.Prove(&c.conn, now)
	if to == nil {
		return false
	}
	c.session.RenewPoll()
	for _, socket := range c.liveSockets() {
		socket.identityChanged(from, to)
	}
	c.watchExpiry()
	s.identitiesAdded()
	s.doPresenceWork(presence)
	return true
}

// Proof is the result of a request that carries the value of a claim.
type Proof uint8

const (
	// NoClaim means that no connection has a claim with this value.
	NoClaim Proof = iota
	// NotProven means that the request does not have the claimed identity: its
	// browser may not have the new cookies yet.
	NotProven
	// Proven means that the connection has the identity that it claimed.
	Proven
)

// Prove handles a request that carries the value of a claim. If
// Options.Identify returns an error for the request, the result is NotProven.
func (s *Server) Prove(value string, r *http.Request) Proof {
	conn := s.hub.Claimant(value)
	if conn == nil {
		return NoClaim
	}
	c := clientOf(conn)
	now, err := s.opts.Identify(r)
	if err == nil && (c.prove(now) || c.hasIdentity(now.Identity)) { // a poll may have proven it first
		return Proven
	}
	if b := conn.Binding(); b.Claim != nil && b.Claim.Attempted() {
		c.watchExpiry()
	}
	return NotProven
}

// hasIdentity reports whether a connection has this identity and no claim to
// another.
func (c *client) hasIdentity(id command.Identity) bool {
	b := c.conn.Binding()
	return b.Claim == nil && b.Identity == id
}

// sendClaim sends the client the value of its claim on each of its namespaces,
// because the server does not know on which one the page listens for it.
func (c *client) sendClaim() {
	var b engineio.Batch
	defer b.Flush()
	for _, s := range c.liveSockets() {
		s.mu.Lock()
		first := s.queueClaimLocked(&b)
		s.mu.Unlock()
		if first {
			c.watchExpiry()
		}
	}
}

// queueClaimLocked is sendClaim for one socket. It reports whether this is the
// first event with the claim. It does nothing if there is no claim, or if the
// socket is not connected: Socket.accept calls it again.
func (s *Socket) queueClaimLocked(b *engineio.Batch) (first bool) {
	cl := s.client().conn.Binding().Claim
	if cl == nil || s.state != connected {
		return false
	}
	payload, _ := parser.EncodeOwnEvent(ClaimEvent, []any{struct {
		Proof string `json:"proof"`
	}{cl.Value}}) // cannot fail
	_ = s.session.Queue(packet(parser.Event, s.namespace.name, payload), engineio.Delivery{Owner: s.namespace}, b)
	return cl.ValueSent()
}
