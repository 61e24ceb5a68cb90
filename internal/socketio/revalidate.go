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
	free chan struct{} // as many as questions may be asked at a time

	ctx    context.Context // ends with the server
	cancel context.CancelFunc

	mu       sync.Mutex // guards what follows
	timer    *time.Timer
	armed    bool
	stopped  bool
	slot     uint64
	failures map[Identity]int
	asking   map[Identity]bool
}

var errPanicked = errors.New("panic")

const (
	revalidationSlots = 64
	maxQuestions      = 16 // at a time
)

func newRevalidator(s *Server, r Revalidation) *revalidator {
	v := &revalidator{
		server: s, Revalidation: r, seed: maphash.MakeSeed(),
		free:     make(chan struct{}, maxQuestions),
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
	for _, is := range due {
		v.begin(is)
	}
}

// prune forgets the failures of those in a slot who have gone.
func (v *revalidator) prune(slot uint64, live []*standing) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.failures) == 0 {
		return
	}
	here := make(map[Identity]bool, len(live))
	for _, is := range live {
		here[is.Identity] = true
	}
	for id := range v.failures {
		if !here[id] && maphash.Comparable(v.seed, id)%revalidationSlots == slot {
			delete(v.failures, id)
		}
	}
}

// identities returns those of connections, each once, that match; and whether
// there are any at all.
func (r *registry) identities(match func(Identity) bool) (found []*standing, anybody bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	seen := make(map[Identity]bool)
	for k := Session; k < kinds; k++ {
		for _, g := range r.clients[k] {
			anybody = true
			for _, c := range g.list {
				is := c.standing.Load()
				if k == User && is.Session != "" || seen[is.Identity] || !match(is.Identity) {
					continue
				}
				seen[is.Identity] = true
				found = append(found, is)
			}
		}
	}
	return found, anybody
}

// begin asks about one identity in a goroutine of its own, unless an earlier
// question is still open.
func (v *revalidator) begin(is *standing) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.asking[is.Identity] || v.stopped {
		return
	}
	v.asking[is.Identity] = true
	v.server.activity.begin()
	go v.ask(is)
}

func (v *revalidator) ask(is *standing) {
	v.free <- struct{}{}
	valid, err := false, error(errPanicked)
	defer func() {
		if p := recover(); p != nil {
			v.server.log.Error("mojo: a handler panicked", "callback", "Revalidate", "panic", p, "stack", string(debug.Stack()))
		}
		<-v.free
		v.settle(is, valid, err)
		v.server.activity.end()
	}()
	ctx, cancel := context.WithTimeout(v.ctx, v.Every)
	defer cancel()
	valid, err = v.Ask(ctx, is.Identified)
}

// settle acts upon an answer.
func (v *revalidator) settle(is *standing, valid bool, err error) {
	v.mu.Lock()
	delete(v.asking, is.Identity)
	if v.stopped {
		v.mu.Unlock()
		return
	}
	failed := 0
	if err != nil {
		failed = v.failures[is.Identity] + 1
		v.failures[is.Identity] = failed
	} else {
		delete(v.failures, is.Identity)
	}
	v.mu.Unlock()
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
	v.server.revokeIdentity(is.Identity, Revocation{Code: CodeInvalid, Reason: Invalid}, err == nil, v.Until())
}
