package socketio

import (
	"net/http"
	"strings"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// A connection that would get a user that it did not have gets a claim, see
// package hub. The proof is a request with the new cookies: one of the
// connection itself, over polling, or one that carries the value that was sent
// on the connection as the event ClaimEvent. A login request can also name one
// connection of its session. Without a proof the connection is closed by its
// transport, so that its client comes back with the cookies that its browser
// has.

// ClaimEvent is the event that tells a client the value of its claim.
const ClaimEvent = "mojo:identity"

// isOwnPoll reports whether a request is a poll that a script made. Only the
// client of the connection makes such polls. An image or a link that an
// attacker put into a page of the site can make the browser send a request that
// looks the same, but browsers say in headers what made a request, at least by
// https. A browser that says nothing is an old one.
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

// proves makes a connection what it claims, if `now` is that and still counts.
func (c *client) proves(now command.Identified) bool {
	s := c.server
	s.changes.Lock()
	defer s.changes.Unlock()
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
	// NoClaim is for a value that is not known, or not any more.
	NoClaim Proof = iota
	// NotProven is for a request that does not come with the identity that is
	// claimed: its browser may not have the new cookies yet.
	NotProven
	// Proven is for a connection that has become what it claims.
	Proven
)

// Prove is called for a request that carries the value of a claim. While
// Options.Identify returns an error for it, it is not proven.
func (s *Server) Prove(value string, r *http.Request) Proof {
	conn := s.hub.Claimant(value)
	if conn == nil {
		return NoClaim
	}
	c := clientOf(conn)
	now, err := s.opts.Identify(r)
	if err == nil && (c.proves(now) || c.is(now.Identity)) { // a poll was faster
		return Proven
	}
	if b := conn.Binding(); b.Claim != nil && b.Claim.Attempted() {
		c.watchExpiry()
	}
	return NotProven
}

// is reports whether a connection has this identity and no claim to another.
func (c *client) is(id command.Identity) bool {
	b := c.conn.Binding()
	return b.Claim == nil && b.Identity == id
}

// sendClaim tells the client the value of its claim, on each namespace that it
// is on, as it is not known which one its page listens on.
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

// queueClaimLocked is sendClaim for one socket, and reports whether it is the
// first that is told. It does nothing without a claim, and for a socket that is
// not connected, which is told when it is.
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
