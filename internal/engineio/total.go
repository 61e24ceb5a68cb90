package engineio

import (
	"cmp"
	"slices"
	"time"
)

// The bound for all sessions together. It is the sum of what waits for each client,
// however many of them share the bytes of a message: an operator can foresee that, and
// it is never less than the memory that is used. Sessions are chosen in a goroutine, for
// which no sender waits; meanwhile a little more than the bound may wait.

// account adds n bytes, which may be negative, to what waits for all clients.
func (e *Engine) account(n int) {
	if n == 0 {
		return
	}
	total := e.counters.queued.Add(int64(n))
	if most := e.opts.MaxQueuedTotal; n > 0 && most > 0 && total > int64(most) {
		e.relieve()
	}
}

// relieve has sessions closed until there is room again.
func (e *Engine) relieve() {
	if e.relieving.CompareAndSwap(false, true) {
		go e.makeRoom()
	}
}

// relievePause is how long to wait when too much waits but for no session that could
// be closed: those that are closing need a moment.
const relievePause = 100 * time.Millisecond

// makeRoom closes sessions until an eighth of the bound is free.
func (e *Engine) makeRoom() {
	most := int64(e.opts.MaxQueuedTotal)
	for e.counters.queued.Load() > most {
		excess := e.counters.queued.Load() - most + most/8
		if e.closeWorst(excess) == 0 {
			time.AfterFunc(relievePause, e.rested)
			return
		}
	}
	e.rested()
}

// rested lets relieve begin again, and begins at once if there is need by now.
func (e *Engine) rested() {
	e.relieving.Store(false)
	if e.counters.queued.Load() > int64(e.opts.MaxQueuedTotal) {
		e.relieve()
	}
}

// waiter is a session for which something waits.
type waiter struct {
	session *Session
	debt    uint64 // bytes that wait, times how long the client has taken nothing
}

// closeWorst closes sessions with the most waiting and the least progress, until
// excess bytes are free, and returns how many.
func (e *Engine) closeWorst(excess int64) int {
	waiters := e.waiters()
	slices.SortFunc(waiters, func(a, b waiter) int { return cmp.Compare(b.debt, a.debt) })
	n := 0
	for ; n < len(waiters) && excess > 0; n++ {
		excess -= int64(waiters[n].session.abandonQueue())
	}
	for _, w := range waiters[:n] {
		w.session.end(TotalOverflow, brokenly, statusPolicy)
	}
	if n > 0 {
		e.warnTotalFull(n)
	}
	return n
}

// waiters returns the sessions for which something waits. It goes through the
// heartbeats, where every open session stands, as they can be locked a part at a time.
func (e *Engine) waiters() []waiter {
	var waiters []waiter
	var sessions []*Session
	for slot := range wheelSlots {
		sessions = e.beats.appendSlot(sessions[:0], slot)
		for _, s := range sessions {
			if debt := s.debt(); debt > 0 {
				waiters = append(waiters, waiter{s, debt})
			}
		}
	}
	return waiters
}

func (s *Session) debt() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != open || s.overflowed || s.since == 0 { // or nothing of it counts yet
		return 0
	}
	return uint64(s.queued) * uint64(1+s.engine.moment()-s.since)
}

// abandonQueue drops what waits for a session that is about to be closed.
func (s *Session) abandonQueue() int {
	s.mu.Lock()
	if s.state != open { // what is left are its last words
		s.mu.Unlock()
		return 0
	}
	s.overflowed = true
	dropped := s.dropQueueLocked()
	s.mu.Unlock()
	s.engine.account(-dropped)
	return dropped
}

// warnQueueFull does not keep the caller waiting for the Logger.
func (e *Engine) warnQueueFull(clients int) {
	go e.opts.Warn.Warn("MaxQueue", "mojo: closing clients that do not keep up: more than Options.Limits.MaxQueue would wait for each",
		"maxQueue", e.opts.MaxQueue, "clients", clients)
}

// warnTotalFull does not keep the caller waiting for the Logger either.
func (e *Engine) warnTotalFull(clients int) {
	go e.opts.Warn.Warn("MaxQueuedTotal", "mojo: closing the clients that are furthest behind: more than Options.Limits.MaxQueuedTotal waits for all together",
		"maxQueuedTotal", e.opts.MaxQueuedTotal, "clients", clients)
}
