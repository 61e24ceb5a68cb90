package socketio

import "time"

// retired is the session ids that were given up and open nothing any more, up to
// when their cookies have expired. It is bounded; the oldest give way.
// registry.mu guards it.
type retired struct {
	ids   map[string]retirement
	order []string // oldest first
}

type retirement struct{ since, until time.Time }

const maxRetired = 1 << 16

// Settling is how long after an identity was given up a browser may be without the
// cookies of the new one. A client that comes with the old ones in that time is
// nobody, and is sent away after comeAgain, to come back with the new ones.
const (
	Settling  = 30 * time.Second
	comeAgain = time.Second
)

func (t *retired) init() { t.ids = make(map[string]retirement) }

func (t *retired) add(id string, until time.Time) {
	now := time.Now()
	if _, in := t.ids[id]; !in {
		t.order = append(t.order, id)
		t.ids[id] = retirement{now, until}
	}
	for len(t.order) > 0 && (len(t.order) > maxRetired || now.After(t.ids[t.order[0]].until)) {
		delete(t.ids, t.order[0])
		t.order[0] = ""
		t.order = t.order[1:]
	}
}

// since returns when an id was given up.
func (t *retired) since(id string) (time.Time, bool) {
	r, in := t.ids[id]
	return r.since, in && !time.Now().After(r.until)
}

// admit enters a connection under its identity. One that comes with a retired
// session id is nobody; admit tells so, and since when it is retired.
func (r *registry) admit(c *client) (since time.Time, retired bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, retired = r.retired.since(c.presented.Session)
	if !retired {
		c.identity = c.presented
	}
	for k := Session; k < kinds; k++ {
		if id := c.key(k); id != "" {
			addTo(r.clients[k], id, c)
		}
	}
	return since, retired
}

func (r *registry) forget(c *client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := Session; k < kinds; k++ {
		if id := c.key(k); id != "" {
			removeFrom(r.clients[k], id, c)
		}
	}
}

// retire lists the session id until the given time and returns the connections
// that were made with this identity: those of the session or, for a login that
// stands without one, those of the same login.
func (r *registry) retire(id Identity, until time.Time) []*client {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id.Session != "" {
		r.retired.add(id.Session, until)
		if g := r.clients[Session][id.Session]; g != nil {
			return g.snapshot()
		}
		return nil
	}
	var found []*client
	if g := r.clients[User][id.User]; g != nil {
		for _, c := range g.snapshot() {
			if c.identity.Session == "" {
				found = append(found, c)
			}
		}
	}
	return found
}

// Retire gives up an identity: a handshake that still comes with its session id
// is nobody, until the given time, and its connections, whatever their state,
// are closed by their transport, so that clients come back under the new one.
func (s *Server) Retire(id Identity, until time.Time) {
	for _, c := range s.registry.retire(id, until) {
		c.session.Close(IdentityChanged)
	}
}

// Retired tells whether a session id was given up, and when.
func (s *Server) Retired(sessionID string) (since time.Time, retired bool) {
	r := &s.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.retired.since(sessionID)
}
