// Package timingwheel has a timer for a large number of deadlines.
package timingwheel

import (
	"sync"
	"time"
)

// Slots is the number of slots of a Wheel.
const Slots = 512

// Wheel holds at most one deadline for each item. It calls a function with the
// items whose deadline has passed, at most one tick late. All deadlines share
// one runtime timer, which runs only while there is a deadline. It is safe for
// concurrent use.
//
// Each tick has a slot, and the slots repeat after Slots ticks. So a deadline
// that is more than Slots ticks away shares its slot with nearer deadlines.
type Wheel[T any] struct {
	tick  time.Duration
	now   func() time.Duration
	entry func(*T) *Entry[T]
	fire  func(due []*T)

	mu    sync.Mutex  // guards the fields below, and the entries
	slots [Slots]*T   // the first item of each slot
	done  int64       // the last tick that was handled
	count int         // deadlines
	timer *time.Timer // nil before the first deadline
	armed bool        // the timer runs
}

// Entry is the part of an item that belongs to a Wheel: it links the items of a
// slot. The zero value is an item without a deadline.
type Entry[T any] struct {
	next, prev *T
	due        int64 // the tick of the deadline; 0 without a deadline
}

// TickFor returns a suitable tick for deadlines that are at most furthest away.
func TickFor(furthest time.Duration) time.Duration {
	return min(max(furthest/Slots, time.Millisecond), 100*time.Millisecond)
}

// New returns an empty Wheel. The function now is the clock of the deadlines;
// it must be monotonic and must not return a negative time. The function entry
// returns the Entry of an item. The Wheel calls fire with the items whose
// deadline has passed, in a goroutine of its own and without a lock.
func New[T any](tick time.Duration, now func() time.Duration, entry func(*T) *Entry[T], fire func(due []*T)) *Wheel[T] {
	return &Wheel[T]{tick: tick, now: now, entry: entry, fire: fire}
}

// Tick returns the tick of the wheel.
func (w *Wheel[T]) Tick() time.Duration { return w.tick }

// Len returns the number of deadlines.
func (w *Wheel[T]) Len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// Schedule sets the deadline of an item. It replaces an earlier one.
func (w *Wheel[T]) Schedule(item *T, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlinkLocked(item)
	if w.count == 0 && !w.armed {
		w.done = int64(w.now() / w.tick)
	}
	e := w.entry(item)
	e.due = max(int64((at+w.tick-1)/w.tick), w.done+1)
	slot := &w.slots[e.due%Slots]
	e.next = *slot
	if *slot != nil {
		w.entry(*slot).prev = item
	}
	*slot = item
	w.count++
	w.armLocked()
}

// Remove removes the deadline of an item, if it has one.
func (w *Wheel[T]) Remove(item *T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlinkLocked(item)
}

// unlinkLocked removes an item from its slot. w.mu must be held.
func (w *Wheel[T]) unlinkLocked(item *T) {
	e := w.entry(item)
	if e.due == 0 {
		return
	}
	if e.prev != nil {
		w.entry(e.prev).next = e.next
	} else {
		w.slots[e.due%Slots] = e.next
	}
	if e.next != nil {
		w.entry(e.next).prev = e.prev
	}
	*e = Entry[T]{}
	w.count--
}

// armLocked starts the timer for the next tick, if there is a deadline. w.mu
// must be held.
func (w *Wheel[T]) armLocked() {
	if w.armed || w.count == 0 {
		return
	}
	w.armed = true
	wait := time.Duration(w.done+1)*w.tick - w.now()
	if w.timer == nil {
		w.timer = time.AfterFunc(wait, w.handleTicks)
		return
	}
	w.timer.Reset(wait)
}

// handleTicks handles the ticks that have passed.
func (w *Wheel[T]) handleTicks() {
	var due []*T
	w.mu.Lock()
	w.armed = false
	now := int64(w.now() / w.tick)
	first := max(w.done+1, now-Slots+1) // each slot once
	for t := first; t <= now; t++ {
		for item := w.slots[t%Slots]; item != nil; {
			e := w.entry(item)
			next := e.next
			if e.due <= now {
				w.unlinkLocked(item)
				due = append(due, item)
			}
			item = next
		}
	}
	w.done = max(w.done, now)
	w.armLocked()
	w.mu.Unlock()
	if len(due) > 0 {
		w.fire(due)
	}
}

// AppendSlot appends the items of one slot to dst. All slots together have
// every item. A caller that reads one slot after another holds the lock for a
// short time only.
func (w *Wheel[T]) AppendSlot(dst []*T, slot int) []*T {
	w.mu.Lock()
	defer w.mu.Unlock()
	for item := w.slots[slot]; item != nil; item = w.entry(item).next {
		dst = append(dst, item)
	}
	return dst
}
