package socketio

import (
	"context"
	"errors"
	"hash/maphash"
	"runtime/debug"
	"sync"
	"time"
)

// Revalidation is how the site is asked, again and again, whether those who are
// connected still may be.
type Revalidation struct {
	Ask      func(ctx context.Context, id Identified) (valid bool, err error)
	Every    time.Duration
	Failures int  // of Ask in a row, for one identity, after which it counts as answered
	FailOpen bool // by yes
	Until    func() time.Time
}

// revalidator asks for each identity once in every interval. It cuts the interval
// into slots and an identity's slot is given by its hash, so that the questions are
// spread and nothing is kept for each of them.
type revalidator struct {
	server *Server
	Revalidation
	seed maphash.Seed

	ctx    context.Context // ends with the server
	cancel context.CancelFunc

	mu       sync.Mutex // guards what follows
	timer    *time.Timer
	armed    bool
	stopped  bool
	slot     uint64
	failures map[Identity]int
	asking   map[Identity]bool // those that wait, too
	waiting  []Identity        // to be asked about
	workers  int               // goroutines that ask
}

var errUnanswered = errors.New("it did not return")

const (
	revalidationSlots = 64
	maxQuestions      = 16 // at a time
)

func newRevalidator(s *Server, r Revalidation) *revalidator {
	v := &revalidator{
		server: s, Revalidation: r, seed: maphash.MakeSeed(),
		failures: make(map[Identity]int), asking: make(map[Identity]bool),
	}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	return v
}

// arm has the next slot looked at. It does nothing on a nil revalidator, or while
// it is armed.
func (v *revalidator) arm() {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.armed || v.stopped {
		return
	}
	v.armed = true
	wait := v.Every / revalidationSlots
	if v.timer == nil {
		v.timer = time.AfterFunc(wait, v.turn)
		return
	}
	v.timer.Reset(wait)
}

func (v *revalidator) stop() {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stopped = true
	v.waiting = nil
	v.cancel()
	if v.timer != nil {
		v.timer.Stop()
	}
}

// turn asks about one slot. With nobody connected it is the last, until arm.
func (v *revalidator) turn() {
	v.mu.Lock()
	v.armed = false
	slot := v.slot
	v.slot = (v.slot + 1) % revalidationSlots
	if v.stopped {
		v.mu.Unlock()
		return
	}
	v.server.activity.begin()
	v.mu.Unlock()
	defer v.server.activity.end()

	due, anybody := v.server.registry.identities(func(id Identity) bool {
		return maphash.Comparable(v.seed, id)%revalidationSlots == slot
	})
	if anybody {
		v.arm()
	}
	v.prune(slot, due)
	v.begin(due)
}

// prune forgets the failures of those in a slot who have gone.
func (v *revalidator) prune(slot uint64, live []Identity) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.failures) == 0 {
		return
	}
	here := make(map[Identity]bool, len(live))
	for _, id := range live {
		here[id] = true
	}
	for id := range v.failures {
		if !here[id] && maphash.Comparable(v.seed, id)%revalidationSlots == slot {
			delete(v.failures, id)
		}
	}
}

// identities returns those of connections, each once, that match; and whether
// there are any at all.
func (r *registry) identities(match func(Identity) bool) (found []Identity, anybody bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	seen := make(map[Identity]bool)
	for k := Session; k < kinds; k++ {
		for id := range r.clients[k].ids() {
			anybody = true
			for _, c := range r.clients[k].members(id) {
				id := c.standing.Load().Identity
				if k == User && id.Session != "" || seen[id] || !match(id) {
					continue
				}
				seen[id] = true
				found = append(found, id)
			}
		}
	}
	return found, anybody
}

// live returns the standing of a connection of this identity, or nil, and the number
// of changesInPlace there were.
func (r *registry) live(id Identity) (is *standing, seen int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if clients := r.connectionsOf(id); len(clients) > 0 {
		is = clients[0].standing.Load()
	}
	return is, r.inPlace.n
}

// begin has goroutines ask about identities, but about those for which an earlier
// question is still open.
func (v *revalidator) begin(due []Identity) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stopped {
		return
	}
	for _, id := range due {
		if v.asking[id] {
			continue
		}
		v.asking[id] = true
		v.waiting = append(v.waiting, id)
		if v.workers < maxQuestions {
			v.workers++
			v.server.activity.begin()
			go v.work()
		}
	}
}

// work asks as long as anything waits.
func (v *revalidator) work() {
	idle := false
	defer func() {
		if !idle { // runtime.Goexit in Ask
			go v.work()
			return
		}
		v.server.activity.end()
	}()
	for {
		id, ok := v.next()
		if !ok {
			idle = true
			return
		}
		if is, seen := v.server.registry.live(id); is != nil {
			v.ask(is, seen)
		} else {
			v.answered(id)
		}
	}
}

// next takes the identity that has waited longest. Without one there is one worker
// less.
func (v *revalidator) next() (Identity, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.waiting) == 0 {
		v.waiting = nil
		v.workers--
		return Identity{}, false
	}
	id := v.waiting[0]
	v.waiting[0] = Identity{}
	v.waiting = v.waiting[1:]
	return id, true
}

func (v *revalidator) answered(id Identity) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.asking, id)
}

func (v *revalidator) ask(is *standing, seen int) {
	valid, err := false, errUnanswered
	defer func() {
		if p := recover(); p != nil {
			v.server.log.Error("mojo: a handler panicked", "callback", "Revalidate", "panic", p, "stack", string(debug.Stack()))
		}
		v.answered(is.Identity)
		v.settle(is.Identity, seen, valid, err)
	}()
	ctx, cancel := context.WithTimeout(v.ctx, v.Every)
	defer cancel()
	valid, err = v.Ask(ctx, is.Identified)
}

// settle acts upon an answer, to a question that was asked after `seen` changesInPlace.
func (v *revalidator) settle(id Identity, seen int, valid bool, err error) {
	failed, stopped := v.count(id, err)
	if stopped {
		return
	}
	switch {
	case err != nil:
		v.server.log.Warn("mojo: Options.Revalidate failed", "failures", failed, "error", err)
		if failed < v.Failures || v.FailOpen {
			return
		}
	case valid:
		return
	}
	// That nobody could be asked proves nothing against the session: it is closed, and
	// asked about again if it comes back.
	v.server.revokeIdentity(id, seen, Revocation{Code: CodeInvalid, Reason: Invalid}, err == nil, v.Until())
}

// count keeps count of the failures in a row. It begins anew for one who is closed
// for them.
func (v *revalidator) count(id Identity, err error) (failed int, stopped bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stopped {
		return 0, true
	}
	if err == nil {
		delete(v.failures, id)
		return 0, false
	}
	failed = v.failures[id] + 1
	if v.failures[id] = failed; failed >= v.Failures && !v.FailOpen {
		delete(v.failures, id)
	}
	return failed, false
}
