package clustertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mojosocket/mojo/cluster"
)

// run is one case on one broker.
type run struct {
	tb     testing.TB
	broker Broker
	nodes  []*node
	loads  []*load

	notices int // that were sent, see node.awaitOccupied
}

// open opens a node and waits until it is connected.
func (r *run) open(name string) *node {
	r.tb.Helper()
	n := newNode(r, name)
	r.connect(n, r.broker.Bus(name))
	return n
}

// connect opens a node on a bus and waits until it is connected.
func (r *run) connect(n *node, bus cluster.Bus) {
	r.tb.Helper()
	link, err := bus.Open(n.name, n)
	if err != nil {
		r.tb.Fatalf("Open(%q) = %v, want no error", n.name, err)
	}
	if link == nil {
		r.tb.Fatalf("Open(%q) returns neither a Link nor an error", n.name)
	}
	n.link = link
	r.nodes = append(r.nodes, n)
	for _, a := range n.occupies {
		n.occupyNow(a, true)
	}
	n.await("LinkUp", isLink(cluster.LinkUp))
	n.awaitOccupied()
}

// finish closes the nodes and reports what they have noticed in any case.
func (r *run) finish() {
	r.tb.Helper()
	for _, l := range r.loads {
		l.stopOnce.Do(func() { close(l.stopping) })
	}
	for _, n := range r.nodes {
		n.release()
	}
	for _, n := range r.nodes {
		n.close()
	}
	for _, l := range r.loads {
		l.done.Wait() // a Publish has returned by now, or is given up
	}
	for _, n := range r.nodes {
		n.check()
	}
}

// within calls f and waits for it for at most the timeout. It fails the test on
// an error. f must not use r.tb, as it may go on when the test has ended.
func (r *run) within(what string, f func() error) {
	r.tb.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	timer := time.NewTimer(r.broker.Timeout)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			r.tb.Fatalf("%s: %v", what, err)
		}
	case <-timer.C:
		r.tb.Fatalf("%s takes longer than %v", what, r.broker.Timeout)
	}
}

// waiting returns wg.Wait for within.
func waiting(wg *sync.WaitGroup) func() error {
	return func() error {
		wg.Wait()
		return nil
	}
}

// deadline returns the context of a Publish. It ends before the case gives up.
func (r *run) deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), r.broker.Timeout/2)
}

// load publishes numbered messages of a node, one each half millisecond, until
// it is stopped.
type load struct {
	stopOnce sync.Once
	stopping chan struct{} // closed to end the load
	done     sync.WaitGroup

	mu    sync.Mutex
	begun int
	taken []string // those for which Publish has returned no error, in order
}

func (r *run) startLoad(n *node) *load {
	l := &load{stopping: make(chan struct{})}
	r.loads = append(r.loads, l)
	l.done.Go(func() {
		ticker := time.NewTicker(500 * time.Microsecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-l.stopping:
				return
			case <-ticker.C:
			}
			l.mu.Lock()
			l.begun++
			l.mu.Unlock()
			message := numbered(i%kinds, n.name, i)
			err := n.publish(message)
			l.mu.Lock()
			if err == nil {
				l.taken = append(l.taken, label(&message))
			}
			l.mu.Unlock()
		}
	})
	return l
}

// stop ends the load and waits for its last Publish.
func (l *load) stop() {
	l.stopOnce.Do(func() { close(l.stopping) })
	l.done.Wait()
}

// count returns how many messages were begun to be published.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun
}
