package engineio

import (
	"context"
	"slices"
	"time"
)

// Shutdown refuses new sessions and closes the live ones; each client gets a
// close packet or a Close frame. It returns when all sessions and connections
// have ended and each Handler.Closed has returned. If ctx ends first, it
// returns the error of ctx.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closing = true
	live := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		live = append(live, s)
	}
	e.checkIdleLocked()
	e.mu.Unlock()
	e.closeInBatches(ctx, live)
	select { // without sessions the result is nil, even if ctx has ended
	case <-e.idle:
		return nil
	default:
	}
	select {
	case <-e.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Closed clients reconnect, perhaps to another process. To spread the
// reconnects, Shutdown closes closeBatch sessions at a time.
const (
	closeBatch = 1000
	closePause = 100 * time.Millisecond
)

// closeInBatches closes sessions, with a pause after each batch. The pauses
// take at most half of the time before the deadline of ctx.
func (e *Engine) closeInBatches(ctx context.Context, live []*Session) {
	pause := closePause
	if deadline, ok := ctx.Deadline(); ok {
		pause = min(pause, time.Until(deadline)/2*closeBatch/time.Duration(len(live)+1))
	}
	for batch := range slices.Chunk(live, closeBatch) {
		for _, s := range batch {
			s.Close(ServerShutdown)
		}
		if len(batch) < closeBatch || pause <= 0 || ctx.Err() != nil {
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// Live returns the number of sessions that exist. It includes sessions that
// have ended, while their last messages are being sent.
func (e *Engine) Live() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	n := len(e.sessions)
	for l := range e.links {
		if e.sessions[l.session.id] == nil {
			n++
		}
	}
	return n
}

// Close ends all sessions and links at once, without waiting for their clients.
func (e *Engine) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = e.Shutdown(ctx) // sends the last packets that can be sent without waiting
	e.mu.Lock()
	e.killing = true
	sessions := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		sessions = append(sessions, s)
	}
	links := make([]*link, 0, len(e.links))
	for l := range e.links {
		links = append(links, l)
	}
	e.mu.Unlock()
	for _, s := range sessions {
		s.stopWaiting()
	}
	for _, l := range links {
		l.killUnlessUpgrading()
	}
}
