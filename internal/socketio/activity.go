package socketio

import (
	"context"
	"slices"
	"sync"
)

// activity is what Shutdown waits for: connections until they have ended and
// everybody was told, lanes that run, and other callbacks of the site.
type activity struct {
	mu      sync.Mutex // guards what follows, and the running of all lanes
	n       int
	running *Socket       // lanes, as a list through lane.next
	none    chan struct{} // closed when n falls to zero; nil if nobody waits
}

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
	if a.n == 0 && a.none != nil {
		close(a.none)
		a.none = nil
	}
}

// beginLane is begin for a lane, which can be named then.
func (a *activity) beginLane(s *Socket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
	if a.running != nil {
		a.running.lane.prev = s
	}
	s.lane.next, a.running = a.running, s
}

func (a *activity) endLane(s *Socket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := &s.lane
	if l.prev != nil {
		l.prev.lane.next = l.next
	} else {
		a.running = l.next
	}
	if l.next != nil {
		l.next.lane.prev = l.prev
	}
	l.next, l.prev = nil, nil
	a.endLocked()
}

// lanes returns the sockets whose lanes run.
func (a *activity) lanes() []*Socket {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []*Socket
	for s := a.running; s != nil; s = s.lane.next {
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
