package socketio

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// activity counts what Shutdown waits for: connections that have not ended,
// mailboxes that run, and other callbacks of the site.
type activity struct {
	mu sync.Mutex
	activityByMu
}

// activityByMu is guarded by activity.mu.
type activityByMu struct {
	count    int
	running  *Socket  // the first socket whose mailbox runs; mailbox.next is the next one
	idle     []worker // workers without a mailbox; none while count is zero
	unused   int      // the idle workers that had no work since the last sweep
	sweeper  *time.Timer
	armed    bool          // sweeper is set
	allEnded chan struct{} // closed when count falls to zero; nil if no caller waits
}

// worker is the channel of a goroutine that runs mailboxes, one after another.
// A handler needs more stack than a new goroutine has. To grow a stack for each
// message costs more than most handlers do.
type worker chan *Socket

// maxIdle is the number of workers without a mailbox that are kept. Each event
// loop of the engine, one for two cores, starts up to eight mailboxes at a
// time. With fewer workers an echo costs more. With more workers it costs the
// same.
var maxIdle = 16 * runtime.GOMAXPROCS(0)

// idleTime is the time between two sweeps. A worker without a mailbox is kept
// for one to two of them.
const idleTime = 100 * time.Millisecond

func (a *activity) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
}

func (a *activity) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endLocked()
}

func (a *activity) endLocked() {
	a.count--
	if a.count > 0 {
		return
	}
	for _, w := range a.idle {
		close(w)
	}
	a.idle = nil
	if a.allEnded != nil {
		close(a.allEnded)
		a.allEnded = nil
	}
}

// beginMailbox lets an idle worker or a new one run the mailbox of s.
func (a *activity) beginMailbox(s *Socket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
	if a.running != nil {
		a.running.mailbox.prev = s
	}
	s.mailbox.next, a.running = a.running, s
	last := len(a.idle) - 1
	if last < 0 {
		go make(worker, 1).work(s)
		return
	}
	a.idle[last] <- s
	a.idle = a.idle[:last]
	a.unused = min(a.unused, last)
}

// endMailbox is called when the mailbox of s is empty. It reports whether the
// worker is kept for another mailbox.
func (a *activity) endMailbox(s *Socket, w worker) (kept bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := &s.mailbox
	if m.prev != nil {
		m.prev.mailbox.next = m.next
	} else {
		a.running = m.next
	}
	if m.next != nil {
		m.next.mailbox.prev = m.prev
	}
	m.next, m.prev = nil, nil
	a.endLocked()
	kept = a.count > 0 && len(a.idle) < maxIdle
	if kept {
		a.idle = append(a.idle, w)
		a.armLocked()
	}
	return kept
}

// armLocked sets the timer of the sweep, unless it is set or no worker is idle.
func (a *activity) armLocked() {
	switch {
	case a.armed || len(a.idle) == 0:
		return
	case a.sweeper == nil:
		a.sweeper = time.AfterFunc(idleTime, a.sweep)
	default:
		a.sweeper.Reset(idleTime)
	}
	a.armed = true
}

// sweep ends the workers that were idle since the last sweep.
func (a *activity) sweep() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = false
	excess := min(a.unused, len(a.idle))
	for _, w := range a.idle[:excess] {
		close(w)
	}
	a.idle = slices.Delete(a.idle, 0, excess)
	a.unused = len(a.idle)
	a.armLocked()
}

// work runs the mailbox of s and then others, until the worker is not kept.
func (w worker) work(s *Socket) {
	for s != nil && s.run(w) {
		s = <-w
	}
}

// sockets returns the sockets whose mailboxes run.
func (a *activity) sockets() []*Socket {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []*Socket
	for s := a.running; s != nil; s = s.mailbox.next {
		all = append(all, s)
	}
	return all
}

// wait returns when count is zero or, with ctx's error, when ctx ends.
func (a *activity) wait(ctx context.Context) error {
	a.mu.Lock()
	if a.count == 0 {
		a.mu.Unlock()
		return nil
	}
	if a.allEnded == nil {
		a.allEnded = make(chan struct{})
	}
	allEnded := a.allEnded
	a.mu.Unlock()
	select {
	case <-allEnded:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Running is a callback that has not returned.
type Running struct {
	Namespace string
	SocketID  string
	Callback  string
	Event     string // of OnMessage
}

// Running returns the callbacks of sockets that run at this moment.
func (s *Server) Running() []Running {
	var all []Running
	for _, socket := range s.activity.sockets() {
		if r, busy := socket.runningCallback(); busy {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Running) int { return slices.Compare(a.words(), b.words()) })
	return all
}

func (r *Running) words() []string { return []string{r.Namespace, r.Callback, r.Event, r.SocketID} }
