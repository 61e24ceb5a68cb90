package engineio

import (
	"cmp"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/timingwheel"
	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// Options.MaxQueuedTotal bounds the total: the sum of the bytes that are queued
// for each client. A message that is queued for several clients counts for each
// of them, although its bytes are shared. So an operator can foresee the total,
// and it is never less than the memory that is used. Above the bound a
// goroutine chooses sessions and closes them. No sender waits for it, so the
// total may be a little above the bound for a moment.

// relieve starts a goroutine that makes room, unless there is one.
func (e *Engine) relieve() {
	if e.relieving.CompareAndSwap(false, true) {
		go e.makeRoom()
	}
}

// relievePause is the time after which the engine looks again, if the total is
// above the bound but no session can be closed. Sessions that are closing need
// a moment.
const relievePause = 100 * time.Millisecond

// makeRoom closes sessions until an eighth of the bound is free.
func (e *Engine) makeRoom() {
	limit := int64(e.opts.MaxQueuedTotal)
	for e.counters.queued.Load() > limit {
		excess := e.counters.queued.Load() - limit + limit/8
		if e.closeWorst(excess) == 0 {
			time.AfterFunc(relievePause, e.endRelief)
			return
		}
	}
	e.endRelief()
}

// endRelief lets relieve start a goroutine again, and does so at once if the
// total is above the bound.
func (e *Engine) endRelief() {
	e.relieving.Store(false)
	if e.counters.queued.Load() > int64(e.opts.MaxQueuedTotal) {
		e.relieve()
	}
}

// debtor is a session for which bytes are queued.
type debtor struct {
	session *Session
	debt    uint64 // the queued bytes times the milliseconds without progress
}

// closeWorst closes the sessions with the highest debt, until excess bytes are
// free. It returns their number.
func (e *Engine) closeWorst(excess int64) int {
	debtors := e.debtors()
	slices.SortFunc(debtors, func(a, b debtor) int { return cmp.Compare(b.debt, a.debt) })
	n := 0
	for ; n < len(debtors) && excess > 0; n++ {
		excess -= int64(debtors[n].session.abandonQueue())
	}
	for _, d := range debtors[:n] {
		d.session.end(TotalOverflow, endBroken, websocket.StatusPolicy)
	}
	if n > 0 {
		e.warnTotalFull(n)
	}
	return n
}

// debtors returns the sessions for which bytes are queued. It finds them in the
// timing wheel, which has every open session, because the wheel can be locked a
// slot at a time.
func (e *Engine) debtors() []debtor {
	var debtors []debtor
	var sessions []*Session
	for slot := range timingwheel.Slots {
		sessions = e.heartbeats.AppendSlot(sessions[:0], slot)
		for _, s := range sessions {
			if debt := s.debt(); debt > 0 {
				debtors = append(debtors, debtor{s, debt})
			}
		}
	}
	return debtors
}

func (s *Session) debt() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != sessionOpen || s.overflowed || s.progressAt == 0 {
		return 0
	}
	return uint64(s.queued) * uint64(1+s.engine.moment()-s.progressAt)
}

// abandonQueue drops the messages that are queued for a session that is about
// to be closed. It returns the number of bytes.
func (s *Session) abandonQueue() int {
	s.mu.Lock()
	if s.state != sessionOpen { // the last messages are being sent
		s.mu.Unlock()
		return 0
	}
	s.overflowed = true
	dropped := s.dropQueueLocked()
	s.mu.Unlock()
	s.engine.account(-dropped)
	return dropped
}
