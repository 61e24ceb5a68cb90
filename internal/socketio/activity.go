package socketio

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// activity counts what Shutdown waits for: connections until their Apps know of
// the end, mailboxes that run, and other callbacks of the site.
type activity struct {
	mu sync.Mutex
	activityByMu
}

// activityByMu is guarded by activity.mu.
type activityByMu struct {
	n       int
	running *Socket  // sockets whose mailboxes run, as a list through mailbox.next
	idle    []worker // workers without a mailbox; none while n is zero
	unused  int      // of idle, since the last sweep
	sweeper *time.Timer
	armed   bool          // sweeper is set
	none    chan struct{} // closed when n falls to zero; nil if no caller waits
}

// worker is a goroutine that runs mailboxes, one after another, and the channel
// from which it takes them. A handler needs more stack than a goroutine begins
// with, and growing that for each message costs more than most handlers do.
type worker chan *Socket

// maxIdle is how many workers without a mailbox are kept. Each event loop of
// the engine, one for two cores, brings work for eight at a time. An echo costs
// more with fewer workers, and not less with more.
var maxIdle = 16 * runtime.GOMAXPROCS(0)

// idleTime is about how long a worker without a mailbox is kept.
const idleTime = 100 * time.Millisecond

func (a *activity) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
}

func (a *activity) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endLocked()
}

func (a *activity) endLocked() {
	a.n--
	if a.n > 0 {
		return
	}
	for _, w := range a.idle {
		close(w)
	}
	a.idle = nil
	if a.none != nil {
		close(a.none)
		a.none = nil
	}
}

// beginMailbox makes an idle worker, or a new one, run a mailbox.
func (a *activity) beginMailbox(s *Socket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
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

// endMailbox notes that a mailbox is empty. It keeps its worker for another
// mailbox, or reports false.
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
	kept = a.n > 0 && len(a.idle) < maxIdle
	if kept {
		a.idle = append(a.idle, w)
		a.armLocked()
	}
	return kept
}

// armLocked sets the sweeper, unless it is set or there is no idle worker.
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

// sweep ends the workers that were idle since the last time.
func (a *activity) sweep() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = false
	over := min(a.unused, len(a.idle))
	for _, w := range a.idle[:over] {
		close(w)
	}
	a.idle = slices.Delete(a.idle, 0, over)
	a.unused = len(a.idle)
	a.armLocked()
}

// work runs mailboxes until the worker is not kept.
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

// wait returns when n is zero or, with ctx's error, when ctx ends.
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
		if r, busy := socket.runs(); busy {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Running) int { return slices.Compare(a.words(), b.words()) })
	return all
}

func (r *Running) words() []string { return []string{r.Namespace, r.Callback, r.Event, r.SocketID} }
