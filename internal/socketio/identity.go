package socketio

import (
	"net/http"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
)

// earlierIdentity is an identity that requests of a connection may still come with,
// because their browser may not have the cookies of the next one yet.
//
// The first request with the next identity ends that. But a client polls and posts at
// the same time, so a poll with the earlier cookies may arrive after a post with the
// later ones, or the other way round: one such request is let through.
type earlierIdentity struct {
	command.Identity
	until time.Time // zero: until a request has come with the next identity
	late  string    // the method that one late request may have; empty until a request has come with the next identity
}

// lateness is how long the one late request may take.
const lateness = time.Second

// maxEarlier is how many changes of identity a browser may be behind.
const maxEarlier = 4

// Admits is part of engineio.Handler. It compares the ids of a request with the
// identity of the connection. A request with the identity that the connection claims
// proves it, if it is a poll that the client made by itself. A request with a later
// expiry, and so with renewed cookies, extends the connection.
func (c *client) Admits(r *http.Request) engineio.Admission {
	now, err := c.server.opts.Identify(r)
	if err != nil {
		return engineio.Refused
	}
	admission := c.expects(now.Identity, r.Method)
	b := c.conn.Binding()
	switch {
	case admission == engineio.Refused && r.Method == http.MethodGet && b.IsLeftBy(now.Identity, time.Now()):
		return engineio.Admitted
	case admission == engineio.Withheld && b.Claim != nil: // nothing is queued for what it claims
		return engineio.Outdated
	case admission != engineio.Admitted:
		return admission
	case b.Claim == nil || b.Claim.To.Identity != now.Identity:
	case !c.isOwnPoll(r):
		if r.Method == http.MethodGet && b.Claim.Muted() {
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

// expects tells whether a request by this method may come with this identity: the
// latest one or, for a moment and without reading, an earlier one.
func (c *client) expects(id command.Identity, method string) engineio.Admission {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == c.expected {
		c.seenLocked(method)
		return engineio.Admitted
	}
	i := slices.IndexFunc(c.earlier, func(e earlierIdentity) bool {
		return e.Identity == id && (e.until.IsZero() || time.Now().Before(e.until)) && (e.late == "" || e.late == method)
	})
	switch {
	case i < 0:
		return engineio.Refused
	case c.earlier[i].until.IsZero(): // nothing was sent to another identity before
		return engineio.Admitted
	}
	c.endLateLocked(method)
	return engineio.Withheld
}

// endLateLocked notes that no request by this method is late any more: the late one
// has come, or one with a later identity has.
func (c *client) endLateLocked(method string) {
	c.earlier = slices.DeleteFunc(c.earlier, func(e earlierIdentity) bool { return e.late == method })
	if len(c.earlier) == 0 {
		c.earlier = nil
	}
}

// seenLocked notes that a request has come with the latest identity.
func (c *client) seenLocked(method string) {
	if c.earlier == nil {
		return
	}
	other := http.MethodPost
	if method == other {
		other = http.MethodGet
	}
	by := time.Now().Add(lateness)
	c.endLateLocked(method)
	for i := range c.earlier {
		e := &c.earlier[i]
		e.late = other
		if e.until.IsZero() || by.Before(e.until) {
			e.until = by
		}
	}
}

// expect makes requests come with another identity from here on.
func (c *client) expect(id command.Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.earlier = slices.DeleteFunc(c.earlier, func(e earlierIdentity) bool { return e.until.IsZero() })
	c.earlier = append(c.earlier, earlierIdentity{Identity: c.expected, until: time.Now().Add(hub.Settling)})
	if n := len(c.earlier) - maxEarlier; n > 0 {
		c.earlier = slices.Clone(c.earlier[n:])
	}
	c.expected = id
}

// Extend gives the connections of an identity a later expiry, as renewed cookies do.
func (s *Server) Extend(to command.Identified) {
	for _, m := range s.hub.Extend(command.Extend{To: to}).Moved {
		clientOf(m.Conn).watchExpiry()
	}
}

// watchExpiry makes the engine call Lapsed when the binding of c expires, or its
// claim.
func (c *client) watchExpiry() {
	c.mu.Lock() // so that of two calls the later one sees the later binding
	defer c.mu.Unlock()
	b := c.conn.Binding()
	if b.Claim != nil {
		c.session.LapseAt(b.Claim.Due())
		return
	}
	c.session.LapseAt(b.Expires)
}

// Identity is the identity that the socket is bound to now.
func (s *Socket) Identity() command.Identified { return s.client().conn.Binding().Identified }

// identityChanged returns when nothing is queued any more for the identity that the
// socket had. It queues the call to the App, if the identity is another, and what was
// held for it.
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
