package socketio

import (
	"context"
	"sync"
)

// activity counts what Shutdown waits for: connections until they have ended and
// everybody was told, and lanes that run.
type activity struct {
	mu   sync.Mutex // guards what follows
	n    int
	none chan struct{} // closed when n falls to zero; nil if nobody waits
}

func (a *activity) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
}

func (a *activity) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n--
	if a.n == 0 && a.none != nil {
		close(a.none)
		a.none = nil
	}
}

// wait returns when there is nothing any more or, with ctx's error, when ctx ends.
func (a *activity) wait(ctx context.Context) error {
	a.mu.Lock()
	if a.n == 0 {
		a.mu.Unlock()
		return nil
	}
	if a.none == nil {
		a.none = make(chan struct{})
	}
	none := a.none
	a.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
