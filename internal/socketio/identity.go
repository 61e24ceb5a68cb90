package socketio

import (
	"net/http"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
)

// Admits implements engineio.Handler. It compares the ids of a request with the
// identity of the connection. A request with the identity that the connection
// claims proves it, if it is a poll that the client made by itself. A request
// with a later expiry, and so with renewed cookies, extends the connection.
func (c *client) Admits(r *http.Request) engineio.Admission {
	now, err := c.server.opts.Identify(r)
	if err != nil {
		return engineio.Refused
	}
	c.mu.Lock()
	admission := c.expected.admits(now.Identity, r.Method)
	c.mu.Unlock()
	b := c.conn.Binding()
	switch {
	case admission == engineio.Refused && r.Method == http.MethodGet && b.ExpiredTo(now.Identity, time.Now()):
		return engineio.Admitted
	case admission == engineio.Withheld && b.Claim != nil: // nothing is queued for what it claims
		return engineio.Outdated
	case admission != engineio.Admitted:
		return admission
	case b.Claim == nil || b.Claim.To.Identity != now.Identity:
	case !c.isOwnPoll(r):
		if r.Method == http.MethodGet && b.Claim.PollsRejected() {
			c.watchExpiry()
		}
		return engineio.Admitted
	case !c.proves(now):
		if c.conn.Binding().Identity != now.Identity { // it was not proven meanwhile either
			return engineio.Refused
		}
	}
	if b.Identity == now.Identity && b.Expires.Before(now.Expires) && !b.Expires.IsZero() && c.server.hub.ExtendConn(&c.conn, now) {
		c.watchExpiry()
	}
	return engineio.Admitted
}

// Extend gives the connections of an identity a later expiry, as renewed
// cookies do.
func (s *Server) Extend(to command.Identified) {
	for _, m := range s.hub.Extend(command.Extend{To: to}).Moved {
		clientOf(m.Conn).watchExpiry()
	}
}

// Identity is the identity that the socket is bound to now.
func (s *Socket) Identity() command.Identified { return s.client().conn.Binding().Identified }

// identityChanged returns when nothing is queued any more for the identity that
// the socket had. It queues the call to the App, if the identity is another,
// and what was held for it.
func (s *Socket) identityChanged(from, to *hub.Binding) {
	told := s.namespace.watchers.Identity != nil && from.Identity != to.Identity
	if told {
		s.session.Hold(eventCost)
	}
	var b engineio.Batch
	defer b.Flush()
	s.mu.Lock() // Socket.queue holds it while it looks at the identity
	defer s.mu.Unlock()
	switch {
	case !told:
	case s.state == ended: // and the last task may be in the mailbox already
		s.session.Release(eventCost)
	default:
		s.pushLocked(task{kind: taskIdentity, arg: identityChange{from, to}, size: eventCost})
	}
	if to.Claim == nil {
		s.releaseLocked(&to.Identity, &b)
	}
}

// doIdentity tells the App of a change, unless the socket began after it.
func (s *Socket) doIdentity(from, to *hub.Binding) {
	s.mu.Lock()
	known := s.deaf || to.Version <= s.version
	s.mu.Unlock()
	if known {
		return
	}
	var refusal *Refusal
	s.guard(callbacks[taskIdentity], func() { refusal = s.namespace.watchers.Identity.Changed(s, from.Identified, to.Identified) })
	if refusal != nil {
		s.revoke(Revocation{Code: CodeRefused, Reason: IdentityRefused, Message: refusal.Message, Data: refusal.Data})
	}
}
