package socketio

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// Change is what becomes of the connections of an identity.
type Change struct {
	From Identity
	// Others are further session ids that the browser has: they are given up, too. Their
	// connections are moved along if they are the same user's, and closed otherwise.
	Others []string
	To     Identified
	Until  time.Time // how long a handshake could come with the session id of From; zero: for ever
	// Socket is the id of a socket whose connection is known to be of the browser
	// that the change is for; empty if there is none. It counts if the connection
	// has the session of From, or claims it.
	Socket string

	named *client       // the connection of Socket
	ask   time.Duration // Options.AskTime
}

// ErrGivenUp is returned for a session id that was given up or revoked.
var ErrGivenUp = errors.New("session id was given up")

// Change moves the connections of a session to another identity, whatever their
// state. When it has returned, nothing that is addressed to what they were is
// queued for them any more. Those that would become a user whom they were not get a
// claim in place of the identity. A session id that changes opens nothing new from
// then on, until its time is up.
//
// Two requests can leave a browser with one session id, on a double click for
// instance, and each gives it a new one. The later of these is what the browser
// keeps, so the earlier is given up with the id that it took the place of. Its
// connections are moved along if they are the same user's, and otherwise closed, to
// come back as whoever they are: an id that others knew before a login must not
// lend them what came of it. And it is only while Settling.
//
// A login that stands without a session cannot be told from the same user's other
// ones: connections of these are closed by their transport.
func (s *Server) Change(ch Change) error {
	claiming, closed, err := s.change(ch)
	for _, c := range claiming {
		c.sendClaim()
	}
	for _, c := range closed {
		c.session.Close(IdentityChanged)
	}
	return err
}

// change is Change without what is sent and closed. It returns the connections that
// have got a claim, and those that are to be closed.
func (s *Server) change(ch Change) (claiming, closed []*client, err error) {
	if ch.Socket != "" {
		ch.named = s.connectionOf(ch.Socket)
	}
	ch.ask = s.opts.AskTime
	s.changes.Lock()
	defer s.changes.Unlock()
	moved, closed, err := s.registry.change(ch)
	for _, m := range moved {
		m.client.settle(m.from, m.to, ch)
		switch {
		case m.to.claim != nil:
			claiming = append(claiming, m.client)
		case s.opts.RequireSession && ch.To.Session == "":
			closed = append(closed, m.client)
		}
	}
	return claiming, closed, err
}

// connectionOf returns the connection that has a socket of this id, or nil.
func (s *Server) connectionOf(socketID string) *client {
	s.mu.RLock()
	namespaces := slices.Collect(maps.Values(s.namespaces))
	s.mu.RUnlock()
	for _, n := range namespaces {
		if socket := n.Socket(socketID); socket != nil {
			return socket.client
		}
	}
	return nil
}

// Connected reports whether there are connections of a session, on whatever they are.
func (s *Server) Connected(session string) bool {
	r := &s.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.connections(Session, session)) > 0
}

// ComeAgain closes the connections of a session without a user, by their transport,
// and returns how many these are.
func (s *Server) ComeAgain(session string) (closed int) {
	r := &s.registry
	r.mu.RLock()
	clients := r.connections(Session, session)
	r.mu.RUnlock()
	for _, c := range clients {
		if c.standing.Load().User == "" {
			c.session.Close(IdentityChanged)
			closed++
		}
	}
	return closed
}

// moved is a client that has got another standing.
type moved struct {
	client   *client
	from, to *standing
}

// change is the part of Change that happens at once, for all indexes.
func (r *registry) change(ch Change) (all []moved, others []*client, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, listed := r.retired.look(ch.To.Session); listed {
		return nil, nil, ErrGivenUp
	}
	r.spare(ch.To)
	if ch.named != nil && !ch.named.standing.Load().isOf(ch.From.Session) {
		ch.named = nil
	}
	if ch.From.Session == "" {
		for _, c := range r.connections(User, ch.From.User) {
			if c.standing.Load().Session == "" {
				others = append(others, c)
			}
		}
		return nil, others, nil
	}
	move := func(c *client) {
		from := c.standing.Load()
		to := &standing{Identified: ch.To, version: from.version + 1}
		if c != ch.named && (from.claim != nil || needsProof(from.Identity, ch.To.Identity)) {
			to = from.newClaim(ch.To, ch.ask)
		}
		all = append(all, moved{c, from, to})
		r.move(c, to)
	}
	moveAll := func(session string, others func(*client)) {
		claimants := r.claims.of(Session, session) // before others get a claim to it
		for _, c := range r.connections(Session, session) {
			if from := c.standing.Load(); others == nil || from.User == ch.To.User && ch.To.User != "" {
				move(c)
			} else {
				others(c)
			}
		}
		for _, c := range claimants {
			move(c)
		}
	}
	close := func(c *client) { others = append(others, c) }
	moveAll(ch.From.Session, nil)
	if ch.From.Session == ch.To.Session {
		r.inPlace.note(ch.From.Session)
		return all, nil, nil
	}
	giveUp := func(session string) {
		before, known := r.giveUp(session, ch.To.Session, ch.Until)
		for known && before.successor != "" && before.successor != ch.To.Session && time.Since(before.since) < Settling {
			old := before.successor
			moveAll(old, close)
			before, known = r.giveUp(old, ch.To.Session, ch.Until)
		}
	}
	giveUp(ch.From.Session)
	for _, session := range ch.Others {
		if session != ch.To.Session {
			moveAll(session, close)
			giveUp(session)
		}
	}
	return all, others, nil
}

// isOf reports whether a connection is of a session, or claims to be.
func (is *standing) isOf(session string) bool {
	return is.Session == session || is.claim != nil && is.claim.to.Session == session
}

// settle completes a change for one client: its requests may come with the new
// identity, no fan-out that found it under the old one queues anything from here
// on, its next poll is one that comes later, and the Apps are told.
func (c *client) settle(from, to *standing, ch Change) {
	c.mu.Lock()
	c.former = slices.DeleteFunc(c.former, func(f former) bool { return f.until.IsZero() })
	c.former = append(c.former, former{Identity: c.expected, until: time.Now().Add(Settling)})
	if n := len(c.former) - maxFormer; n > 0 {
		c.former = slices.Clone(c.former[n:])
	}
	c.expected = ch.To.Identity
	c.mu.Unlock()
	if from.Identity != ch.To.Identity {
		c.session.RenewPoll()
	}
	for _, s := range c.liveSockets() {
		switch {
		case from.claim != nil && to.claim == nil: // named by a later login
			s.identityChanged(from.claim.from, to)
		case to.claim == nil || to.claim.from == to:
			s.identityChanged(from, to)
		default: // the Apps are told when it has become what it claims
			s.identityChanged(to, to)
		}
	}
	c.watchExpiry()
}
