package socketio

import "time"

// retired is the session ids that were given up and open nothing any more, up to
// when their cookies have expired. It is bounded; the oldest give way.
// registry.mu guards it.
type retired struct {
	ids   map[string]retirement
	order []string // oldest first
}

type retirement struct {
	since, until time.Time
	successor    string // the session id that took its place
}

const maxRetired = 1 << 16

// Settling is how long after an identity was given up a browser may be without the
// cookies of the new one. A client that comes with the old ones in that time is
// nobody, and is sent away after comeAgain, to come back with the new ones.
const (
	Settling  = 30 * time.Second
	comeAgain = time.Second
)

func (t *retired) init() { t.ids = make(map[string]retirement) }

func (t *retired) add(id, successor string, until time.Time) {
	now := time.Now()
	if _, in := t.ids[id]; !in {
		t.order = append(t.order, id)
		t.ids[id] = retirement{now, until, successor}
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
//
// Two requests can leave a browser with one session id, on a double click for
// instance, and each gives it a new one. The later of these is what the browser
// keeps, so the earlier is given up with the id that it took the place of. It is
// only while Settling: whoever once knew an old id has no power over the new one.
func (r *registry) retire(id Identity, successor string, until time.Time) []*client {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*client
	if id.Session == "" {
		if g := r.clients[User][id.User]; g != nil {
			for _, c := range g.snapshot() {
				if c.identity.Session == "" {
					found = append(found, c)
				}
			}
		}
		return found
	}
	for old := id.Session; old != successor; {
		before, known := r.retired.ids[old]
		r.retired.add(old, successor, until)
		if g := r.clients[Session][old]; g != nil {
			found = append(found, g.snapshot()...)
		}
		if !known || time.Since(before.since) >= Settling {
			break
		}
		old = before.successor
	}
	return found
}

// Retire gives up an identity: a handshake that still comes with its session id
// is nobody, until the given time, and its connections, whatever their state,
// are closed by their transport, so that clients come back under the new one. The
// successor is the session id that takes its place.
func (s *Server) Retire(id Identity, successor string, until time.Time) {
	for _, c := range s.registry.retire(id, successor, until) {
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
