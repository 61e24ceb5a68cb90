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
	case admission == engineio.Withheld && b.Claim != nil: // no message to the claimed identity is queued, so none is withheld
		return engineio.Outdated
	case admission != engineio.Admitted:
		return admission
	case b.Claim == nil || b.Claim.To.Identity != now.Identity:
	case !c.isOwnPoll(r):
		if r.Method == http.MethodGet && b.Claim.PollsRejected() {
			c.watchExpiry()
		}
		return engineio.Admitted
	case !c.prove(now):
		if c.conn.Binding().Identity != now.Identity { // another request has not proven it either
			return engineio.Refused
		}
	}
	if b.Identity == now.Identity && b.Expires.Before(now.Expires) && !b.Expires.IsZero() && c.server.hub.ExtendConn(&c.conn, now) {
		c.watchExpiry()
	}
	return engineio.Admitted
}

// Extend gives the connections of an identity the later expiry of renewed
// cookies.
func (s *Server) Extend(to command.Identified) {
	cmd := command.Extend{To: to}
	s.extend(cmd)
	if s.node != nil {
		s.node.Extend(&cmd)
	}
}

func (s *Server) extend(cmd command.Extend) {
	for _, m := range s.hub.Extend(cmd).Moved {
		clientOf(m.Conn).watchExpiry()
	}
}

// Identity returns the identity that the socket is bound to now.
func (s *Socket) Identity() command.Identified { return s.client().conn.Binding().Identified }

// identityChanged completes a change for one socket. It queues the call of the
// IdentityWatcher, if the identity is another one, and the messages that were
// held for the new identity. After it has returned, no message to the old
// identity is queued.
func (s *Socket) identityChanged(from, to *hub.Binding) {
	notify := s.namespace.watchers.Identity != nil && from.Identity != to.Identity
	if notify {
		s.session.Hold(eventCost)
	}
	var b engineio.Batch
	defer b.Flush()
	s.mu.Lock() // Socket.queue holds it while it compares the identity
	defer s.mu.Unlock()
	switch {
	case !notify:
	case s.state == ended: // taskDisconnect may be in the mailbox already
		s.session.Release(eventCost)
	default:
		s.pushLocked(task{kind: taskIdentity, arg: identityChange{from, to}, size: eventCost})
	}
	if to.Claim == nil {
		s.releaseLocked(&to.Identity, &b)
	}
}

// doIdentity calls the IdentityWatcher, unless the socket began after the
// change.
func (s *Socket) doIdentity(from, to *hub.Binding) {
	s.mu.Lock()
	known := s.ignoresEvents || to.Version <= s.version
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
