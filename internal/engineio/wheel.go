package engineio

import (
	"sync"
	"time"
)

// wheel holds one deadline for each session, in slots of one tick, and calls fire
// with those that are due, at most a tick late. All of them share one runtime
// timer, which is armed only while there is a deadline, so that an idle engine
// has nothing running. A deadline further off than the wheel's circumference
// stays in its slot for another turn.
type wheel struct {
	tick  time.Duration
	start time.Time
	fire  func(due []*Session)

	mu    sync.Mutex // guards what follows, and the entries
	slots [wheelSlots]*Session
	done  int64 // the last tick that was handled
	count int
	timer *time.Timer
	armed bool
}

const wheelSlots = 512

// wheelEntry is a session's place in the wheel: a doubly linked list per slot.
type wheelEntry struct {
	next, prev *Session
	due        int64 // in ticks; 0 if in no slot
}

// wheelTick is fine enough for the given times and no finer than needed.
func wheelTick(interval, timeout time.Duration) time.Duration {
	return min(max((interval+timeout)/wheelSlots, time.Millisecond), 100*time.Millisecond)
}

func newWheel(tick time.Duration, start time.Time, fire func([]*Session)) *wheel {
	return &wheel{tick: tick, start: start, fire: fire}
}

// schedule enters s, or moves it, to be due at a time since start.
func (w *wheel) schedule(s *Session, at time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
	if w.count == 0 && !w.armed {
		w.done = int64(time.Since(w.start) / w.tick)
	}
	s.entry.due = max(int64((at+w.tick-1)/w.tick), w.done+1)
	slot := &w.slots[s.entry.due%wheelSlots]
	s.entry.next = *slot
	if *slot != nil {
		(*slot).entry.prev = s
	}
	*slot = s
	w.count++
	w.arm()
}

// remove takes s out, if it is in.
func (w *wheel) remove(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
}

func (w *wheel) unlink(s *Session) {
	e := &s.entry
	if e.due == 0 {
		return
	}
	if e.prev != nil {
		e.prev.entry.next = e.next
	} else {
		w.slots[e.due%wheelSlots] = e.next
	}
	if e.next != nil {
		e.next.entry.prev = e.prev
	}
	*e = wheelEntry{}
	w.count--
}

func (w *wheel) arm() {
	if w.armed || w.count == 0 {
		return
	}
	w.armed = true
	wait := time.Until(w.start.Add(time.Duration(w.done+1) * w.tick))
	if w.timer == nil {
		w.timer = time.AfterFunc(wait, w.turn)
		return
	}
	w.timer.Reset(wait)
}

// turn handles the ticks that have passed.
func (w *wheel) turn() {
	var due []*Session
	w.mu.Lock()
	w.armed = false
	now := int64(time.Since(w.start) / w.tick)
	first := max(w.done+1, now-wheelSlots+1) // one turn sees every slot
	for t := first; t <= now; t++ {
		for s := w.slots[t%wheelSlots]; s != nil; {
			next := s.entry.next
			if s.entry.due <= now {
				w.unlink(s)
				due = append(due, s)
			}
			s = next
		}
	}
	w.done = max(w.done, now)
	w.arm()
	w.mu.Unlock()
	if len(due) > 0 {
		w.fire(due)
	}
}

// appendSlot appends the sessions of one slot to dst.
func (w *wheel) appendSlot(dst []*Session, slot int) []*Session {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := w.slots[slot]; s != nil; s = s.entry.next {
		dst = append(dst, s)
	}
	return dst
}
