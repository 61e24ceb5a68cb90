package socketio

import (
	"errors"
	"net/http"
	"slices"
	"time"
)

// Identity is whom a connection belongs to. Empty fields are nobody.
type Identity struct {
	Session string
	User    string
}

func (id Identity) key(k Kind) string {
	switch k {
	case Session:
		return id.Session
	case User:
		return id.User
	}
	return ""
}

// standing is whom a connection counts as, and until when. It is never changed:
// another takes its place.
type standing struct {
	Identified
	version int32 // counts the changes of Identity
}

// Identified is an Identity and until when it holds.
type Identified struct {
	Identity
	Expires time.Time // zero: for ever
	Proven  time.Time // when the login was made; zero if that is not known, then it counts
}

// former is an identity that requests of a connection may still come with, because
// their browser may not have the cookies of the next one yet.
//
// The first request with the next one ends that. But a client polls and posts at
// the same time, so the poll may still be on its way, with what it left with, when
// the post is there, or the other way round: one such request is let through.
type former struct {
	Identity
	until time.Time
	late  string // the method of that one; empty until a request has come with the next identity
}

// lateness is how long the one late request may take.
const lateness = time.Second

// maxFormer is how many changes of identity a browser may be behind.
const maxFormer = 4

// Admits is part of engineio.Handler. It holds a request against the identity of
// the connection, by the ids. One that comes with a later expiry, and so with
// renewed cookies, extends the connection.
func (c *client) Admits(r *http.Request) bool {
	now, err := c.server.opts.Identify(r)
	if err != nil {
		return false
	}
	if !c.expects(now.Identity, r.Method) {
		return r.Method == http.MethodGet && c.standing.Load().lapsedTo(now.Identity)
	}
	if is := c.standing.Load(); is.Identity == now.Identity && is.Expires.Before(now.Expires) && !is.Expires.IsZero() {
		c.server.extend([]*client{c}, now)
	}
	return true
}

// lapsedTo reports whether id is what expired cookies leave of is: the poll that
// fetches the last words of a connection comes without them.
func (is *standing) lapsedTo(id Identity) bool {
	return is.over() && (id.Session == "" || id.Session == is.Session) && (id.User == "" || id.User == is.User)
}

// over reports whether the standing has expired.
func (is *standing) over() bool { return !is.Expires.IsZero() && !time.Now().Before(is.Expires) }

// expects reports whether a request by this method may come with this identity: the
// latest one, or for a moment one before that.
func (c *client) expects(id Identity, method string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == c.expected {
		c.seen(method)
		return true
	}
	i := slices.IndexFunc(c.former, func(f former) bool {
		return f.Identity == id && time.Now().Before(f.until) && (f.late == "" || f.late == method)
	})
	if i < 0 {
		return false
	}
	c.came(method)
	return true
}

// came notes that nothing by this method is late any more: not behind a request that was
// the late one, nor behind one with a later identity. It needs c.mu.
func (c *client) came(method string) {
	c.former = slices.DeleteFunc(c.former, func(f former) bool { return f.late == method })
	if len(c.former) == 0 {
		c.former = nil
	}
}

// seen notes that a request has come with the latest identity. It needs c.mu.
func (c *client) seen(method string) {
	if c.former == nil {
		return
	}
	other := http.MethodPost
	if method == other {
		other = http.MethodGet
	}
	by := time.Now().Add(lateness)
	c.came(method)
	for i := range c.former {
		f := &c.former[i]
		f.late = other
		if by.Before(f.until) {
			f.until = by
		}
	}
}

// Change is what becomes of the connections of an identity.
type Change struct {
	From  Identity
	To    Identified
	Until time.Time // how long a handshake could come with the session id of From; zero: for ever
}

// ErrGivenUp is returned for a session id that was given up or revoked.
var ErrGivenUp = errors.New("session id was given up")

// Change moves the connections of a session to another identity, whatever their
// state. When it has returned, nothing that is addressed to what they were is
// queued for them any more. A session id that changes opens nothing new from then
// on, until its time is up.
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
	closed, err := s.change(ch)
	for _, c := range closed {
		c.session.Close(IdentityChanged)
	}
	return err
}

// change is Change but for the closing, and returns who is to be closed.
func (s *Server) change(ch Change) (closed []*client, err error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	moved, closed, err := s.registry.change(ch)
	for _, m := range moved {
		m.client.settle(m.from, ch)
		if s.opts.RequireSession && ch.To.Session == "" {
			closed = append(closed, m.client)
		}
	}
	return closed, err
}

// moved is a client that has got another standing.
type moved struct {
	client *client
	from   *standing
}

// change is the part of Change that happens at once, for all indexes.
func (r *registry) change(ch Change) (all []moved, others []*client, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, listed := r.retired.look(ch.To.Session); listed {
		return nil, nil, ErrGivenUp
	}
	r.spare(ch.To)
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
		all = append(all, moved{c, from})
		r.move(c, &standing{ch.To, from.version + 1})
	}
	for _, c := range r.connections(Session, ch.From.Session) {
		move(c)
	}
	if ch.From.Session == ch.To.Session {
		r.inPlace.note(ch.From.Session)
		return all, nil, nil
	}
	before, known := r.giveUp(ch.From.Session, ch.To.Session, ch.Until)
	for known && before.successor != "" && time.Since(before.since) < Settling {
		old := before.successor
		for _, c := range r.connections(Session, old) {
			if c.standing.Load().User == ch.To.User && ch.To.User != "" {
				move(c)
			} else {
				others = append(others, c)
			}
		}
		before, known = r.giveUp(old, ch.To.Session, ch.Until)
	}
	return all, others, nil
}

// connections returns the clients under a key. It needs registry.mu.
func (r *registry) connections(k Kind, id string) []*client {
	return r.clients[k].members(id)
}

// connectionsOf returns the clients of this very identity. It needs registry.mu.
func (r *registry) connectionsOf(id Identity) (found []*client) {
	k := User
	if id.Session != "" {
		k = Session
	}
	for _, c := range r.connections(k, id.key(k)) {
		if c.standing.Load().Identity == id {
			found = append(found, c)
		}
	}
	return found
}

// move gives a client another standing and puts it, and its visible sockets, under
// the keys of that. It needs registry.mu.
func (r *registry) move(c *client, to *standing) {
	from := c.standing.Load()
	c.standing.Store(to)
	for k := Session; k < kinds; k++ {
		was, is := from.key(k), to.key(k)
		if was == is {
			continue
		}
		if is != "" {
			r.clients[k].add(is, c)
		}
		if was != "" {
			r.clients[k].remove(was, c)
		}
		for _, s := range c.shown {
			if is != "" {
				r.enter(Key{k, is}, s)
			}
			if was != "" {
				r.exit(Key{k, was}, s)
			}
		}
	}
}

// settle completes a change for one client: its requests may come with the new
// identity, no fan-out that found it under the old one queues anything from here
// on, and the Apps are told.
func (c *client) settle(from *standing, ch Change) {
	c.mu.Lock()
	c.former = append(c.former, former{Identity: c.expected, until: time.Now().Add(Settling)})
	if n := len(c.former) - maxFormer; n > 0 {
		c.former = slices.Clone(c.former[n:])
	}
	c.expected = ch.To.Identity
	sockets := c.sockets()
	c.mu.Unlock()
	for _, s := range sockets {
		s.identityChanged(from)
	}
	c.watchExpiry()
}

// Extend has the connections of an identity last longer, as renewed cookies do.
func (s *Server) Extend(now Identified) {
	r := &s.registry
	r.mu.RLock()
	clients := r.connections(Session, now.Session)
	r.mu.RUnlock()
	s.extend(clients, now)
}

func (s *Server) extend(clients []*client, now Identified) {
	for _, c := range clients {
		if s.registry.extend(c, now) {
			c.watchExpiry()
		}
	}
}

// watchExpiry has Lapsed called when the standing of c expires.
func (c *client) watchExpiry() {
	c.mu.Lock() // so that of two calls the later one looks later, too
	defer c.mu.Unlock()
	c.session.LapseAt(c.standing.Load().Expires)
}

// extend gives a client a later expiry, if it still has this identity.
func (r *registry) extend(c *client, now Identified) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := c.standing.Load()
	if is.Identity != now.Identity || is.Expires.IsZero() || !is.Expires.Before(now.Expires) {
		return false
	}
	c.standing.Store(&standing{now, is.version})
	return true
}

// Identity is whom the socket belongs to now.
func (s *Socket) Identity() Identified { return s.client.standing.Load().Identified }

// identityChanged returns when nothing is queued any more for what the socket was,
// and has the App told what it became, if that is somebody else.
func (s *Socket) identityChanged(from *standing) {
	to := s.client.standing.Load()
	told := s.namespace.watchers.Identity != nil && from.Identity != to.Identity
	if told {
		s.session.Hold(eventCost)
	}
	s.mu.Lock() // whoever queues holds it while it looks at the identity
	defer s.mu.Unlock()
	switch {
	case !told:
	case s.state == ended: // and what is last may be in the lane already
		s.session.Release(eventCost)
	default:
		s.pushLocked(task{kind: taskIdentity, arg: change{from, to}, size: eventCost})
	}
}

// doIdentity tells the App of a change, unless the socket began after it.
func (s *Socket) doIdentity(from, to *standing) {
	s.mu.Lock()
	known := s.deaf || to.version <= s.version
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
