package socketio

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// activity is what Shutdown waits for: connections until they have ended and
// everybody was told, lanes that run, and other callbacks of the site.
type activity struct {
	mu      sync.Mutex // guards what follows, and the running of all lanes
	n       int
	running *Socket  // lanes, as a list through lane.next
	idle    []worker // goroutines without a lane; none while n is zero
	unused  int      // of idle, since the last sweep
	sweeper *time.Timer
	armed   bool
	none    chan struct{} // closed when n falls to zero; nil if nobody waits
}

// worker is a goroutine that runs lanes, one after another, and where it waits for
// the next one: what handlers do takes more stack than a goroutine begins with, and
// growing it for each message costs more than most handlers do.
type worker chan *Socket

// How many workers without a lane are kept, and for how long roughly. An event loop of
// the engine, of which there is one for two cores, brings work for eight at a time; too
// few of them showed in what an echo costs, and more did not.
var maxIdle = 16 * runtime.GOMAXPROCS(0)

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

// beginMailbox has a lane run by an idle worker, or a new one.
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

// endMailbox ends a lane and keeps its worker for another one, or reports false.
func (a *activity) endMailbox(s *Socket, w worker) (kept bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &s.mailbox
	if l.prev != nil {
		l.prev.mailbox.next = l.next
	} else {
		a.running = l.next
	}
	if l.next != nil {
		l.next.mailbox.prev = l.prev
	}
	l.next, l.prev = nil, nil
	a.endLocked()
	kept = a.n > 0 && len(a.idle) < maxIdle
	if kept {
		a.idle = append(a.idle, w)
		a.arm()
	}
	return kept
}

// arm has idle workers looked at. It needs mu.
func (a *activity) arm() {
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
	a.arm()
}

// work runs lanes until there is no use for more.
func (w worker) work(s *Socket) {
	for s != nil && s.run(w) {
		s = <-w
	}
}

// lanes returns the sockets whose lanes run.
func (a *activity) lanes() []*Socket {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []*Socket
	for s := a.running; s != nil; s = s.mailbox.next {
		all = append(all, s)
	}
	return all
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
	for _, socket := range s.activity.lanes() {
		if r, busy := socket.runs(); busy {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Running) int { return slices.Compare(a.words(), b.words()) })
	return all
}

func (r *Running) words() []string { return []string{r.Namespace, r.Callback, r.Event, r.SocketID} }
