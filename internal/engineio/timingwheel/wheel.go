// Package timingwheel has a timer for very many deadlines.
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
// Deadlines stand in slots of one tick each. One that is more than Slots ticks
// away shares its slot with nearer ones.
type Wheel[T any] struct {
	tick  time.Duration
	now   func() time.Duration
	entry func(*T) *Entry[T]
	fire  func(due []*T)

	mu    sync.Mutex // guards the fields below, and the entries
	slots [Slots]*T
	done  int64 // the last tick that was handled
	count int
	timer *time.Timer
	armed bool
}

// Entry is the part of an item that belongs to a Wheel: it links the items of a
// slot. The zero value is an item without a deadline.
type Entry[T any] struct {
	next, prev *T
	due        int64 // in ticks; 0 without a deadline
}

// TickFor returns a tick that is fine enough for deadlines up to furthest away,
// and not finer than they need.
func TickFor(furthest time.Duration) time.Duration {
	return min(max(furthest/Slots, time.Millisecond), 100*time.Millisecond)
}

// New returns an empty Wheel. Times are those of the clock now, which must be
// monotonic and must not be negative. The function entry returns the Entry of
// an item, and fire is called with the items that are due, in a goroutine,
// without a lock.
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

// armLocked starts the timer for the next tick, if there is a deadline.
func (w *Wheel[T]) armLocked() {
	if w.armed || w.count == 0 {
		return
	}
	w.armed = true
	wait := time.Duration(w.done+1)*w.tick - w.now()
	if w.timer == nil {
		w.timer = time.AfterFunc(wait, w.turn)
		return
	}
	w.timer.Reset(wait)
}

// turn handles the ticks that have passed.
func (w *Wheel[T]) turn() {
	var due []*T
	w.mu.Lock()
	w.armed = false
	now := int64(w.now() / w.tick)
	first := max(w.done+1, now-Slots+1) // one turn sees every slot
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

// AppendSlot appends the items of one slot to dst. All slots together hold
// every item; to go through them one by one holds the lock for a short time
// only.
func (w *Wheel[T]) AppendSlot(dst []*T, slot int) []*T {
	w.mu.Lock()
	defer w.mu.Unlock()
	for item := w.slots[slot]; item != nil; item = w.entry(item).next {
		dst = append(dst, item)
	}
	return dst
}
