package mojonats

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mojosocket/mojo/cluster"
)

// link is a node's end of a Bus.
type link struct {
	*Bus
	name string
	node cluster.Node

	closed  context.Context // done when Close is called
	cancel  context.CancelFunc
	running sync.WaitGroup

	publisher

	// These belong to run.

	epoch      uint64   // of the latest connection
	discovered []string // servers that the latest connection has told of
	publishers publishers

	mu sync.Mutex
	linkByMu
}

// linkByMu is guarded by link.mu.
type linkByMu struct {
	rooms   map[string]bool // the subjects of namespaces and of rooms that are occupied
	changed map[string]bool // those that session.follow has to look at
	session *session        // nil without a connection
	isUp    bool            // the session is confirmed
	wake    chan struct{}   // has an element if follow has work
}

var (
	_ cluster.Link     = (*link)(nil)
	_ cluster.Occupier = (*link)(nil)
)

func newLink(b *Bus, name string, n cluster.Node) *link {
	l := &link{Bus: b, name: name, node: n, publishers: newPublishers(b.options.MaxMessage)}
	l.turn = make(chan struct{}, 1)
	l.rooms, l.wake = make(map[string]bool), make(chan struct{}, 1)
	l.closed, l.cancel = context.WithCancel(context.Background())
	l.running.Go(l.run)
	return l
}

// Occupy subscribes to a room, or ends that. It implements cluster.Occupier.
func (l *link) Occupy(namespace, room string, occupied bool) {
	subject := l.subjects.occupied(namespace, room)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rooms[subject] == occupied {
		return
	}
	if occupied {
		l.rooms[subject] = true
	} else {
		delete(l.rooms, subject)
	}
	if l.session == nil {
		return
	}
	if l.changed == nil {
		l.changed = make(map[string]bool)
	}
	l.changed[subject] = true
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// takeChanges returns the subjects that have changed, and whether they are
// wanted.
func (l *link) takeChanges() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := l.changed
	l.changed = nil
	for subject := range changed {
		changed[subject] = l.rooms[subject]
	}
	return changed
}

// attach makes a session follow the rooms.
func (l *link) attach(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.session = s
	l.changed = make(map[string]bool, len(l.rooms))
	for subject := range l.rooms {
		l.changed[subject] = true
	}
}

// detach ends that.
func (l *link) detach(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == s {
		l.session, l.isUp, l.changed = nil, false, nil
	}
}

// current returns the session that is confirmed, or nil.
func (l *link) current() *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.isUp {
		return nil
	}
	return l.session
}

// Close disconnects the node. It implements cluster.Link.
func (l *link) Close() error {
	l.cancel()
	l.running.Wait()
	return nil
}

// The time before a connection is made again grows from the first to the last.
const (
	firstDelay = 50 * time.Millisecond
	lastDelay  = time.Second
)

// run connects and delivers what arrives, again and again until the link is
// closed.
func (l *link) run() {
	defer l.stopMarks()
	state, delay := cluster.LinkUp, firstDelay
	for {
		s, err := l.connect()
		isUp := err == nil
		if isUp {
			l.mu.Lock()
			l.isUp = true
			l.mu.Unlock()
			l.node.Link(state)
			state, delay = cluster.LinkResumed, firstDelay
			err = s.deliver()
			s.end()
		}
		if l.closed.Err() != nil {
			return
		}
		l.log.report(disconnected, "error", err)
		if isUp {
			l.node.Link(cluster.LinkDown)
		}
		timer := time.NewTimer(delay/2 + rand.N(delay/2))
		select {
		case <-timer.C:
		case <-l.closed.Done():
			timer.Stop()
			return
		}
		delay = min(2*delay, lastDelay)
	}
}
