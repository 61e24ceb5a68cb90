package socketio

import (
	"runtime/debug"
	"time"
)

// Edge is somebody who comes, with the first visible socket, or has gone, some time
// after the last.
type Edge struct {
	Namespace *Namespace // nil: the whole server
	Key       Key        // a Session or User
	Online    bool
}

// presence finds the edges. What happens to the indexes and to it happens under
// one lock, so that edges of one key alternate, and they are told one at a time, in
// the order in which they came about. registry.mu guards it.
type presence struct {
	server *Server

	lingering map[place]int64 // without a socket, but not offline yet; the value is the latest number in queue
	queue     []departure     // in the order of due
	head      int
	number    int64
	timer     *time.Timer
	armed     bool
	hasty     bool // nobody lingers any more

	edges   []Edge // to be told
	told    int    // of these
	telling bool
}

// place is a key in the whole server or, with a namespace, in that.
type place struct {
	namespace *Namespace
	key       Key
}

// departure is a place whose last socket has gone. It is void if the place is not
// lingering under this number any more.
type departure struct {
	place  place
	number int64
	due    time.Time
}

// come notes the first socket of a place.
func (p *presence) come(at place) {
	if _, lingers := p.lingering[at]; lingers {
		delete(p.lingering, at) // a page that was reloaded
		return
	}
	p.tell(at, true)
}

// leave notes that the last socket of a place has gone.
func (p *presence) leave(at place) {
	grace := p.server.opts.PresenceGrace
	if p.hasty || grace == 0 {
		p.tell(at, false)
		return
	}
	if p.lingering == nil {
		p.lingering = make(map[place]int64)
	}
	p.number++
	p.lingering[at] = p.number
	if p.head > len(p.queue)/2 && len(p.queue) == cap(p.queue) {
		n := copy(p.queue, p.queue[p.head:])
		clear(p.queue[n:])
		p.queue, p.head = p.queue[:n], 0
	}
	p.queue = append(p.queue, departure{at, p.number, time.Now().Add(grace)})
	p.arm()
}

// arm has the head of the queue looked at when it is due.
func (p *presence) arm() {
	if p.armed || p.head == len(p.queue) {
		return
	}
	p.armed = true
	wait := time.Until(p.queue[p.head].due)
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, p.elapse)
		return
	}
	p.timer.Reset(wait)
}

// elapse is called by the timer.
func (p *presence) elapse() {
	r := &p.server.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	p.armed = false
	now := time.Now()
	for p.head < len(p.queue) && (p.hasty || !now.Before(p.queue[p.head].due)) {
		d := p.queue[p.head]
		p.queue[p.head] = departure{}
		p.head++
		if p.lingering[d.place] == d.number {
			delete(p.lingering, d.place)
			p.tell(d.place, false)
		}
	}
	if p.head == len(p.queue) {
		p.queue, p.head = nil, 0
	}
	p.arm()
}

// hurry ends all grace: the server goes away.
func (p *presence) hurry() {
	r := &p.server.registry
	r.mu.Lock()
	p.hasty = true
	if p.timer != nil {
		p.timer.Stop()
	}
	r.mu.Unlock()
	p.elapse()
}

// tell has an edge told, if anybody wants to know.
func (p *presence) tell(at place, online bool) {
	if at.namespace == nil && p.server.opts.Presence == nil || at.namespace != nil && at.namespace.watchers.Presence == nil {
		return
	}
	p.edges = append(p.edges, Edge{at.namespace, at.key, online})
	if !p.telling {
		p.telling = true
		p.server.activity.begin()
		go p.run()
	}
}

// run tells edges, and lives only while there are any.
func (p *presence) run() {
	idle := false
	defer func() {
		if !idle { // runtime.Goexit; what waits has its turn all the same
			go p.run()
			return
		}
		p.server.activity.end()
	}()
	for {
		e, ok := p.next()
		if !ok {
			idle = true
			return
		}
		p.call(e)
	}
}

func (p *presence) next() (Edge, bool) {
	r := &p.server.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.told == len(p.edges) {
		p.edges, p.told, p.telling = nil, 0, false
		return Edge{}, false
	}
	e := p.edges[p.told]
	p.edges[p.told] = Edge{}
	p.told++
	return e, true
}

func (p *presence) call(e Edge) {
	defer func() {
		if v := recover(); v != nil {
			p.server.figures.panics.Add(1)
			p.server.log.Error("mojo: a handler panicked", "callback", "OnPresence", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	if e.Namespace == nil {
		p.server.opts.Presence(e)
		return
	}
	e.Namespace.watchers.Presence.Presence(e)
}

// Online returns which of these ids have a socket, or had one until less than
// PresenceGrace ago.
func (v View) Online(k Kind, ids []string) []string {
	r := &v.Server.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	var online []string
	for _, id := range ids {
		_, lingers := r.presence.lingering[place{v.Namespace, Key{k, id}}]
		if lingers || v.scope().keyed[k].has(id) {
			online = append(online, id)
		}
	}
	return online
}
