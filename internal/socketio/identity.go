package socketio

import (
	"net/http"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/engineio"
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
	version int32  // counts the changes of Identity
	claim   *claim // what it may become; nil if there is nothing
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
	until time.Time // zero: until a request has come with the next identity
	late  string    // the method of that one; empty until a request has come with the next identity
}

// lateness is how long the one late request may take.
const lateness = time.Second

// maxFormer is how many changes of identity a browser may be behind.
const maxFormer = 4

// Admits is part of engineio.Handler. It holds a request against the identity of
// the connection, by the ids. One with the identity that the connection claims
// proves it if it is a poll of the client's own. One that comes with a later expiry, and so with renewed cookies,
// extends the connection.
func (c *client) Admits(r *http.Request) engineio.Admission {
	now, err := c.server.opts.Identify(r)
	if err != nil {
		return engineio.Refused
	}
	admission := c.expects(now.Identity, r.Method)
	is := c.standing.Load()
	switch {
	case admission == engineio.Refused && r.Method == http.MethodGet && is.lapsedTo(now.Identity):
		return engineio.Admitted
	case admission == engineio.Withheld && is.claim != nil: // nothing is queued for what it claims
		return engineio.Outdated
	case admission != engineio.Admitted:
		return admission
	case is.claim == nil || is.claim.to.Identity != now.Identity:
	case !c.isOwnPoll(r):
		if r.Method == http.MethodGet && !is.claim.mute.Swap(true) {
			c.watchExpiry()
		}
		return engineio.Admitted
	case !c.proves(now):
		if c.standing.Load().Identity != now.Identity { // it was not proven meanwhile either
			return engineio.Refused
		}
	}
	if is.Identity == now.Identity && is.Expires.Before(now.Expires) && !is.Expires.IsZero() {
		c.server.extend([]*client{c}, now)
	}
	return engineio.Admitted
}

// lapsedTo reports whether id is what expired cookies leave of is: the poll that
// fetches the last words of a connection comes without them.
func (is *standing) lapsedTo(id Identity) bool {
	return is.over() && (id.Session == "" || id.Session == is.Session) && (id.User == "" || id.User == is.User)
}

// over reports whether the standing has expired.
func (is *standing) over() bool { return !is.Expires.IsZero() && !time.Now().Before(is.Expires) }

// expects tells whether a request by this method may come with this identity: the
// latest one or, for a moment and without reading, one before that.
func (c *client) expects(id Identity, method string) engineio.Admission {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == c.expected {
		c.seen(method)
		return engineio.Admitted
	}
	i := slices.IndexFunc(c.former, func(f former) bool {
		return f.Identity == id && (f.until.IsZero() || time.Now().Before(f.until)) && (f.late == "" || f.late == method)
	})
	switch {
	case i < 0:
		return engineio.Refused
	case c.former[i].until.IsZero(): // nothing was sent to anybody else before
		return engineio.Admitted
	}
	c.came(method)
	return engineio.Withheld
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
		if f.until.IsZero() || by.Before(f.until) {
			f.until = by
		}
	}
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
	if from.claim != nil {
		r.claims.remove(c, from.claim)
	}
	if to.claim != nil {
		r.claims.add(c, to.claim)
	}
	r.validity.moved(from.Identity, to.Identity)
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

// watchExpiry has Lapsed called when the standing of c expires, or its claim.
func (c *client) watchExpiry() {
	c.mu.Lock() // so that of two calls the later one looks later, too
	defer c.mu.Unlock()
	is := c.standing.Load()
	if is.claim != nil {
		c.session.LapseAt(is.claim.due())
		return
	}
	c.session.LapseAt(is.Expires)
}

// extend gives a client a later expiry, if it still has this identity.
func (r *registry) extend(c *client, now Identified) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := c.standing.Load()
	if is.Identity != now.Identity || is.Expires.IsZero() || !is.Expires.Before(now.Expires) {
		return false
	}
	c.standing.Store(&standing{Identified: now, version: is.version})
	return true
}

// Identity is whom the socket belongs to now.
func (s *Socket) Identity() Identified { return s.client.standing.Load().Identified }

// identityChanged returns when nothing is queued any more for what the socket was.
// It has the App told what it became, if that is somebody else, and queues what was
// held for that.
func (s *Socket) identityChanged(from, to *standing) {
	told := s.namespace.watchers.Identity != nil && from.Identity != to.Identity
	if told {
		s.session.Hold(eventCost)
	}
	var b engineio.Batch
	defer b.Flush()
	s.mu.Lock() // whoever queues holds it while it looks at the identity
	defer s.mu.Unlock()
	switch {
	case !told:
	case s.state == ended: // and what is last may be in the lane already
		s.session.Release(eventCost)
	default:
		s.pushLocked(task{kind: taskIdentity, arg: change{from, to}, size: eventCost})
	}
	if to.claim == nil {
		s.release(&to.Identity, &b)
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
