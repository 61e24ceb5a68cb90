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
// of them, although its bytes are shared. So an operator can calculate the
// total, and it is never less than the memory that is used. Above the bound, a
// goroutine chooses sessions and closes them. Senders do not wait for it, so
// the total may be a little above the bound for a moment.

// startShrinking starts a goroutine that runs shrinkTotal, unless there is one.
func (e *Engine) startShrinking() {
	if e.shrinking.CompareAndSwap(false, true) {
		go e.shrinkTotal()
	}
}

// shrinkPause is the time after which the engine checks the total again, if it
// is above the bound but no session can be closed. Sessions that are closing
// need a moment.
const shrinkPause = 100 * time.Millisecond

// shrinkTotal closes sessions until the total is an eighth below the bound.
func (e *Engine) shrinkTotal() {
	limit := int64(e.opts.MaxQueuedTotal)
	for e.counters.queued.Load() > limit {
		excess := e.counters.queued.Load() - limit + limit/8
		if e.closeSlowest(excess) == 0 {
			time.AfterFunc(shrinkPause, e.endShrinking)
			return
		}
	}
	e.endShrinking()
}

// endShrinking lets startShrinking start a goroutine again, and calls it if the
// total is above the bound.
func (e *Engine) endShrinking() {
	e.shrinking.Store(false)
	if e.counters.queued.Load() > int64(e.opts.MaxQueuedTotal) {
		e.startShrinking()
	}
}

// closeCandidate is a session for which bytes are queued.
type closeCandidate struct {
	session *Session
	score   uint64 // the queued bytes times the milliseconds without progress
}

// closeSlowest closes the sessions with the highest scores, until excess bytes
// are free. It returns the number of closed sessions.
func (e *Engine) closeSlowest(excess int64) int {
	candidates := e.closeCandidates()
	slices.SortFunc(candidates, func(a, b closeCandidate) int { return cmp.Compare(b.score, a.score) })
	n := 0
	for ; n < len(candidates) && excess > 0; n++ {
		excess -= int64(candidates[n].session.dropForTotal())
	}
	for _, c := range candidates[:n] {
		c.session.end(TotalOverflow, endBroken, websocket.StatusPolicy)
	}
	if n > 0 {
		e.warnTotalFull(n)
	}
	return n
}

// closeCandidates returns the sessions for which bytes are queued. It reads
// them from the timing wheel, which has every open session, because there the
// lock is held for only one slot at a time.
func (e *Engine) closeCandidates() []closeCandidate {
	var candidates []closeCandidate
	var sessions []*Session
	for slot := range timingwheel.Slots {
		sessions = e.heartbeats.AppendSlot(sessions[:0], slot)
		for _, s := range sessions {
			if score := s.queueScore(); score > 0 {
				candidates = append(candidates, closeCandidate{s, score})
			}
		}
	}
	return candidates
}

// queueScore returns the score of a session as a closeCandidate, or 0 if it is
// none.
func (s *Session) queueScore() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != sessionOpen || s.overflowed || s.progressAt == 0 {
		return 0
	}
	return uint64(s.queued) * uint64(1+s.engine.nowMillis()-s.progressAt)
}

// dropForTotal drops the messages that are queued for a session that is about
// to be closed. It returns the number of bytes.
func (s *Session) dropForTotal() int {
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
