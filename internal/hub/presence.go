package hub

import "time"

// Transition is an id that comes online, with its first visible seat, or goes
// offline, some time after its last.
type Transition struct {
	Namespace string // empty: the whole server
	Key       Key    // a Session or User
	Online    bool
}

// PresenceWork is what presence needs from the caller of a method, which has to see
// to it.
type PresenceWork struct {
	// Tell asks the caller to call Hub.NextTransition until there is none.
	Tell bool
	// Wait asks the caller to call Hub.EndGrace after this time; zero: it does not.
	Wait time.Duration
}

// presence finds the transitions. The indexes and presence change under one lock, so
// that transitions of one key alternate. Hub.mu guards it.
type presence struct {
	now     func() time.Time
	grace   time.Duration
	watched bool // the whole server

	lingering  map[presenceKey]int64 // without a seat and not offline yet; the value is the latest number in departures
	departures []departure           // in the order of due
	head       int                   // of departures
	number     int64
	armed      bool // a caller was asked to call EndGrace
	hurried    bool // there is no grace any more

	transitions []Transition // not told yet
	told        int          // of transitions
	telling     bool         // a caller was asked to tell
}

// presenceKey is a key in the whole server or, with a namespace, in that.
type presenceKey struct {
	namespace *Namespace
	key       Key
}

// departure is a presenceKey whose last seat was removed. It is void if the key does
// not linger under this number any more.
type departure struct {
	key    presenceKey
	number int64
	due    time.Time
}

// enterLocked notes the first seat of a key.
func (p *presence) enterLocked(k presenceKey) {
	if _, lingers := p.lingering[k]; lingers {
		delete(p.lingering, k) // a page was reloaded
		return
	}
	p.addLocked(k, true)
}

// exitLocked notes that the last seat of a key was removed.
func (p *presence) exitLocked(k presenceKey) {
	if p.hurried || p.grace == 0 {
		p.addLocked(k, false)
		return
	}
	if p.lingering == nil {
		p.lingering = make(map[presenceKey]int64)
	}
	p.number++
	p.lingering[k] = p.number
	p.departures, p.head = pack(p.departures, p.head)
	p.departures = append(p.departures, departure{k, p.number, p.now().Add(p.grace)})
}

// pack moves what is left of a queue to the front when most of it was taken.
func pack[T any](queue []T, head int) ([]T, int) {
	if head <= len(queue)/2 || len(queue) < cap(queue) {
		return queue, head
	}
	n := copy(queue, queue[head:])
	clear(queue[n:])
	return queue[:n], 0
}

// addLocked adds a transition if it is watched.
func (p *presence) addLocked(k presenceKey, online bool) {
	t := Transition{Key: k.key, Online: online}
	watched := p.watched
	if k.namespace != nil {
		t.Namespace, watched = k.namespace.name, k.namespace.watched
	}
	if watched {
		p.transitions = append(p.transitions, t)
	}
}

// workLocked returns what the caller has to do.
func (p *presence) workLocked() (work PresenceWork) {
	if p.told < len(p.transitions) && !p.telling {
		p.telling, work.Tell = true, true
	}
	if p.head < len(p.departures) && !p.armed {
		p.armed = true
		work.Wait = max(p.departures[p.head].due.Sub(p.now()), 1)
	}
	return work
}

// EndGrace makes the ids go offline whose last seat was removed long enough ago.
func (h *Hub) EndGrace() PresenceWork {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &h.presence
	p.armed = false
	p.endGraceLocked()
	return p.workLocked()
}

// Hurry ends all grace, now and from now on: the server goes away.
func (h *Hub) Hurry() PresenceWork {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &h.presence
	p.hurried = true
	p.endGraceLocked()
	return p.workLocked()
}

func (p *presence) endGraceLocked() {
	now := p.now()
	for p.head < len(p.departures) && (p.hurried || !now.Before(p.departures[p.head].due)) {
		d := p.departures[p.head]
		p.departures[p.head] = departure{}
		p.head++
		if p.lingering[d.key] == d.number {
			delete(p.lingering, d.key)
			p.addLocked(d.key, false)
		}
	}
	if p.head == len(p.departures) {
		p.departures, p.head = nil, 0
	}
}

// NextTransition returns the oldest transition that was not told, and false if there
// is none; then PresenceWork asks anew. Transitions of one key alternate.
func (h *Hub) NextTransition() (Transition, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &h.presence
	if p.told == len(p.transitions) {
		p.transitions, p.told, p.telling = nil, 0, false
		return Transition{}, false
	}
	t := p.transitions[p.told]
	p.transitions[p.told] = Transition{}
	p.told++
	return t, true
}

// Online returns which of these ids have a visible seat, or had one until less than
// Config.PresenceGrace ago, in a namespace or, if that is empty, in the whole server.
func (h *Hub) Online(namespace string, k Kind, ids []string) []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	sc := h.scopeLocked(namespace)
	if sc == nil {
		return nil
	}
	var online []string
	for _, id := range ids {
		_, lingers := h.presence.lingering[presenceKey{h.namespaces[namespace], Key{k, id}}]
		if lingers || sc.keyed[k].has(id) {
			online = append(online, id)
		}
	}
	return online
}
