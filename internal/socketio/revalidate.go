package socketio

import (
	"context"
	"errors"
	"hash/maphash"
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

// revalidator asks about each identity once in every interval. It cuts the interval
// into slots, and an identity's slot is given by its hash, so that the questions are
// spread; those of a slot are spread over its part of the interval, a portion at a time,
// as the questions take the locks, too. A slot is a list of its identities, which the
// registry keeps up to date: to look at one slot takes no walk through those who are
// connected.
type revalidator struct {
	server *Server
	Revalidation
	seed maphash.Seed

	ctx    context.Context // ends with the server
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	armed   bool
	stopped bool
	turns   int // of slots, since the server was made
	slots   [revalidationSlots]revalidationSlot
	listed  int               // identities in all slots
	asking  map[Identity]bool // those that wait, too
	waiting []Identity        // to be asked about
	workers int               // goroutines that ask
}

// revalidationSlot is the identities of one slot, in no order.
type revalidationSlot struct {
	list  []revalidated
	index map[Identity]int // into list
}

// revalidated is an identity that has connections. With none it stays for the sake of
// its failures until its slot has its turn.
type revalidated struct {
	Identity
	connections int
	failures    int // of Ask, in a row
	turn        int // the last one in which it was taken
}

var errUnanswered = errors.New("it did not return")

const (
	revalidationSlots   = 64
	revalidationPortion = 256 // identities that are looked at while a lock is held
	maxQuestions        = 16  // at a time
)

func newRevalidator(s *Server, r Revalidation) *revalidator {
	v := &revalidator{server: s, Revalidation: r, seed: maphash.MakeSeed(), asking: make(map[Identity]bool)}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	return v
}

func (v *revalidator) slot(id Identity) *revalidationSlot {
	return &v.slots[maphash.Comparable(v.seed, id)%revalidationSlots]
}

// moved notes that a connection has got another identity: from nobody when it begins,
// to nobody when it ends. registry.mu must be held, so that this is in the order of the
// changes. It does nothing on a nil revalidator.
func (v *revalidator) moved(from, to Identity) {
	if v == nil || from == to {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if to != (Identity{}) {
		v.entryLocked(to).connections++
		v.armLocked()
	}
	if from == (Identity{}) {
		return
	}
	slot := v.slot(from)
	if i, in := slot.index[from]; in {
		e := &slot.list[i]
		if e.connections = max(e.connections-1, 0); e.connections == 0 && e.failures == 0 {
			v.removeLocked(slot, i)
		}
	}
}

// entryLocked returns the entry of an identity, a new one if there is none. It is valid
// until v.mu is given up, which must be held.
func (v *revalidator) entryLocked(id Identity) *revalidated {
	slot := v.slot(id)
	i, in := slot.index[id]
	if !in {
		if slot.index == nil {
			slot.index = make(map[Identity]int)
		}
		i = len(slot.list)
		slot.index[id] = i
		slot.list = append(slot.list, revalidated{Identity: id})
		v.listed++
	}
	return &slot.list[i]
}

// removeLocked puts the last entry of the slot in the place of the i-th. v.mu must be
// held.
func (v *revalidator) removeLocked(slot *revalidationSlot, i int) {
	last := len(slot.list) - 1
	delete(slot.index, slot.list[i].Identity)
	if i < last {
		slot.list[i] = slot.list[last]
		slot.index[slot.list[i].Identity] = i
	}
	slot.list[last] = revalidated{}
	slot.list = slot.list[:last]
	v.listed--
	if last == 0 {
		*slot = revalidationSlot{}
	}
}

// armLocked has the next slot looked at, unless it is armed. v.mu must be held.
func (v *revalidator) armLocked() {
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

// turn asks about one slot. With nobody connected it is the last, until somebody is.
func (v *revalidator) turn() {
	v.mu.Lock()
	v.armed = false
	if v.stopped {
		v.mu.Unlock()
		return
	}
	v.turns++
	turn, slot := v.turns, &v.slots[v.turns%revalidationSlots]
	at := len(slot.list)
	if v.listed > 0 {
		v.armLocked()
	}
	v.server.activity.begin()
	v.mu.Unlock()
	defer v.server.activity.end()
	portions := time.Duration(at/revalidationPortion + 1)
	for at > 0 {
		var due []Identity
		due, at = v.take(slot, turn, at)
		v.begin(due)
		if at > 0 && !v.pause(v.Every/revalidationSlots/portions) {
			return
		}
	}
}

// pause waits, and reports whether there is anything to go on with.
func (v *revalidator) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-v.ctx.Done():
		return false
	}
}

// take returns the identities of a portion of a slot, and where the next portion ends;
// this one ends at `at`. The walk goes from the end to the beginning, since an entry that
// is removed meanwhile lets one from the end take its place: one that was taken already
// may be met again, and is known by its turn, but none is passed over. Entries that
// come meanwhile wait for the next turn of the slot.
func (v *revalidator) take(slot *revalidationSlot, turn, at int) (due []Identity, next int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	at = min(at, len(slot.list))
	next = max(at-revalidationPortion, 0)
	for i := at - 1; i >= next; i-- {
		e := &slot.list[i]
		switch {
		case e.connections == 0:
			v.removeLocked(slot, i)
		case e.turn != turn:
			e.turn = turn
			due = append(due, e.Identity)
		}
	}
	return due, next
}

// live returns the standing of a connection of this identity, or nil, and the number
// of changesInPlace there were.
func (r *registry) live(id Identity) (is *standing, seen int) {
	k := User
	if id.Session != "" {
		k = Session
	}
	r.mu.RLock()
	seen, clients := r.inPlace.n, r.connections(k, id.key(k))
	r.mu.RUnlock()
	for _, c := range clients {
		if is := c.standing.Load(); is.Identity == id {
			return is, seen
		}
	}
	return nil, seen
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
	defer v.answered(is.Identity) // when it was acted upon, or another question would be asked meanwhile
	defer func() {
		if errors.Is(err, errUnanswered) {
			v.server.panicked("Revalidation.Check", recover())
		}
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
		v.server.log.Warn("mojo: Options.Revalidation.Check failed", "failures", failed, "error", err)
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
		if slot := v.slot(id); slot.index != nil {
			if i, in := slot.index[id]; in {
				slot.list[i].failures = 0
			}
		}
		return 0, false
	}
	e := v.entryLocked(id)
	e.failures++
	failed = e.failures
	if failed >= v.Failures && !v.FailOpen {
		e.failures = 0
	}
	v.armLocked() // an entry without connections has to be removed
	return failed, false
}
