package socketio

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/fifo"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/hub/slots"
)

// Revalidation asks the site at intervals whether the connected identities are
// still valid.
type Revalidation struct {
	Ask      func(ctx context.Context, id command.Identified) (valid bool, err error)
	Every    time.Duration
	Failures int              // errors of Ask in a row for one identity, after which it is closed
	FailOpen bool             // keep it open after any number of errors
	Until    func() time.Time // returns until when a revocation has to be remembered
}

// revalidator asks about each identity once in every interval. The hub lists
// the identities in slots. Each slot has its turn in a part of the interval, in
// which its identities are asked about in portions.
type revalidator struct {
	server *Server
	Revalidation

	ctx    context.Context // ends with the server
	cancel context.CancelFunc

	armed atomic.Bool // whether the timer is set; written with mu held
	mu    sync.Mutex
	revalidatorByMu
}

// revalidatorByMu is guarded by revalidator.mu.
type revalidatorByMu struct {
	timer    *time.Timer
	stopped  bool
	turns    int // number of turns since the server was created
	failures failures
	asking   map[command.Identity]bool    // the identities in waiting, and those being asked about
	waiting  fifo.Queue[command.Identity] // the identities to ask about
	workers  int                          // goroutines that ask
}

// failures counts the failures of Ask in a row, by slot and identity.
type failures [slots.Count]map[command.Identity]int

func (f *failures) empty() bool {
	return !slices.ContainsFunc(f[:], func(slot map[command.Identity]int) bool { return len(slot) > 0 })
}

var errUnanswered = errors.New("it did not return")

// maxQuestions is the maximum number of concurrent calls of Ask.
const maxQuestions = 16

func newRevalidator(s *Server, r Revalidation) *revalidator {
	v := &revalidator{server: s, Revalidation: r}
	v.asking = make(map[command.Identity]bool)
	v.ctx, v.cancel = context.WithCancel(context.Background())
	return v
}

// arm sets the timer of the next turn, if it is not set. It does nothing on a
// nil revalidator.
func (v *revalidator) arm() {
	if v == nil || v.armed.Load() {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.armLocked()
}

func (v *revalidator) armLocked() {
	if v.armed.Load() || v.stopped {
		return
	}
	v.armed.Store(true)
	wait := v.Every / slots.Count
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
	v.waiting = fifo.Queue[command.Identity]{}
	v.cancel()
	if v.timer != nil {
		v.timer.Stop()
	}
}

// turn asks about the identities of one slot. If there are no identities, there
// are no more turns until arm is called.
func (v *revalidator) turn() {
	turn, ok := v.beginTurn()
	if !ok {
		return
	}
	defer v.server.activity.end()
	slot := turn % slots.Count
	v.forgetFailures(slot)
	at := v.server.hub.SlotLen(slot)
	pause := v.Every / slots.Count / time.Duration(at/slots.PortionSize+1)
	for at > 0 {
		var due []command.Identity
		due, at = v.server.hub.Portion(slot, turn, at)
		v.enqueue(due)
		if at > 0 && !v.sleep(pause) {
			return
		}
	}
}

// beginTurn returns the number of the turn, and false after stop.
func (v *revalidator) beginTurn() (turn int, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.armed.Store(false)
	if v.stopped {
		return 0, false
	}
	v.turns++
	// armed is false now, so a connection that is not in the hub yet will call
	// arm itself.
	if v.server.hub.Identities() > 0 || !v.failures.empty() {
		v.armLocked()
	}
	v.server.activity.begin()
	return v.turns, true
}

// forgetFailures removes the failures of the identities in a slot that have no
// connections any more.
func (v *revalidator) forgetFailures(slot int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id := range v.failures[slot] {
		if binding, _ := v.server.hub.Live(id); binding == nil {
			delete(v.failures[slot], id)
		}
	}
}

// sleep waits, and reports false if the server is closed meanwhile.
func (v *revalidator) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-v.ctx.Done():
		return false
	}
}

// enqueue lets goroutines ask about identities, except those that are still
// being asked about.
func (v *revalidator) enqueue(due []command.Identity) {
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
		v.waiting.Push(id)
		if v.workers < maxQuestions {
			v.workers++
			v.server.activity.begin()
			go v.work()
		}
	}
}

// work asks about identities until none is waiting.
func (v *revalidator) work() {
	done := false
	defer func() {
		if !done { // Ask called runtime.Goexit; another goroutine continues
			go v.work()
			return
		}
		v.server.activity.end()
	}()
	for {
		id, ok := v.next()
		if !ok {
			done = true
			return
		}
		if binding, seen := v.server.hub.Live(id); binding != nil {
			v.ask(binding, seen)
		} else {
			v.endQuestion(id)
		}
	}
}

// next takes the first waiting identity. If there is none, the worker has to
// end.
func (v *revalidator) next() (command.Identity, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.waiting.Len() == 0 {
		v.workers--
		return command.Identity{}, false
	}
	return v.waiting.Pop(), true
}

func (v *revalidator) endQuestion(id command.Identity) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.asking, id)
}

func (v *revalidator) ask(binding *hub.Binding, seen int) {
	valid, err := false, errUnanswered
	defer v.endQuestion(binding.Identity) // after applyAnswer, so that no other call for the identity begins before it
	var at command.Clock                  // zero: this process is alone
	if v.server.node != nil {
		at = v.server.hub.Clock()
	}
	defer func() { v.applyAnswer(binding.Identity, seen, at, valid, err) }() // also after runtime.Goexit
	ctx, cancel := context.WithTimeout(v.ctx, v.Every)
	defer cancel()
	v.server.Call("Revalidation.Check", func() { valid, err = v.Ask(ctx, binding.Identified) })
}

// applyAnswer revokes an identity that is not valid any more. `seen` is the
// result of Hub.Live before the question, and at the clock of that moment.
func (v *revalidator) applyAnswer(id command.Identity, seen int, at command.Clock, valid bool, err error) {
	failed, stopped := v.countFailures(id, err)
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
	// Without an answer the session may still be valid. Its connections are
	// closed, and it is asked about again when a client reconnects.
	revoke := command.RevokeIdentity{Identity: id, Seen: seen, Invalidate: err == nil, Until: v.Until(), At: at}
	why := Revocation{Code: CodeInvalid, Reason: Invalid}
	effects := v.server.hub.RevokeIdentity(revoke)
	v.server.ledger.Put(effects.Journal)
	v.server.dismissEnded(effects, why)
	if v.server.node != nil && revoke.Invalidate {
		v.server.node.RevokeIdentity(&revoke, reasonOf(why))
	}
}

// countFailures counts the failures in a row. The count of an identity that is
// closed because of them starts again at zero.
func (v *revalidator) countFailures(id command.Identity, err error) (failed int, stopped bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	slot := &v.failures[v.server.hub.SlotOf(id)]
	switch {
	case v.stopped:
		return 0, true
	case err == nil:
		delete(*slot, id)
		return 0, false
	}
	failed = (*slot)[id] + 1
	switch {
	case failed >= v.Failures && !v.FailOpen:
		delete(*slot, id)
	case *slot == nil:
		*slot = map[command.Identity]int{id: failed}
	default:
		(*slot)[id] = failed
	}
	v.armLocked() // for a turn that removes the failures, if the identity has no connections by then
	return failed, false
}
