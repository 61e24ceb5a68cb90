package clustertest

import (
	"runtime"
	"strings"
	"sync"
	"time"
)

// grace is how long a case waits for what must not happen.
const grace = 50 * time.Millisecond

// testPublishAfterClose closes a node twice and publishes then.
func testPublishAfterClose(r *run) {
	a, b := r.open("a"), r.open("b")
	a.mustPublish(numbered(0, "a", 0))
	b.awaitLabel("a/0")
	r.within("Close", a.closeNow)
	r.within("the second Close", func() error {
		_ = a.closeNow()
		return nil
	})
	if a.publish(numbered(0, "a", 1)) == nil {
		r.tb.Errorf("Publish after Close returns no error, want one")
	}
	b.mustPublish(controlTo("b", "b", 0))
	b.awaitLabel("b/0")
	if diff := differs([]string{"a/0"}, b.labels("a")); diff != "" {
		r.tb.Errorf("node b, after a Publish that followed Close: %s", diff)
	}
}

// testCloseDuringPublish closes a node several times while it publishes.
func testCloseDuringPublish(r *run) {
	for round := range 10 {
		a, b := r.open("a"), r.open("b")
		var publishing, closing sync.WaitGroup
		publishing.Go(func() {
			for i := 0; ; i++ {
				if a.publish(numbered(i%kinds, "a", i)) != nil {
					return
				}
			}
		})
		b.awaitMessages(-1, 1)
		for range 3 {
			closing.Go(func() { _ = a.closeNow() })
		}
		r.within("Close during Publish", waiting(&closing))
		publishing.Wait()
		b.mustPublish(controlTo("b", "b", round))
		b.await("a control message to itself", func(e *record) bool { return strings.HasPrefix(e.label, "b/") })
		if reason := orderBroken(b.labels("a")); reason != "" {
			r.tb.Errorf("node b: %s", reason)
		}
		b.close()
	}
}

// testCloseWaits closes a node while one of its methods runs.
func testCloseWaits(r *run) {
	a := r.open("a")
	b := newNode(r, "b")
	b.onMessage = func() { <-b.released }
	r.connect(b, r.broker.Bus(b.name))
	a.mustPublish(numbered(0, "a", 0), numbered(0, "a", 1), numbered(0, "a", 2))
	b.awaitLabel("a/0")
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = b.closeNow() // which sees whether the method still runs
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	}
	b.release()
	r.within("Close after the last method has returned", func() error {
		<-closed
		return nil
	})
}

// testSilenceAfterClose publishes to a node that closes. No method of it is
// called after that, which each node checks.
func testSilenceAfterClose(r *run) {
	a, b, c := r.open("a"), r.open("b"), r.open("c")
	l := r.startLoad(a)
	b.awaitMessages(-1, 1)
	b.close()
	l.stop()
	for i := range 100 {
		a.mustPublish(controlTo("b", "a", -1), numbered(i%kinds, "a", l.begun+i))
	}
	a.mustPublish(numbered(0, "a", l.begun+100))
	last := numbered(0, "a", l.begun+100)
	c.awaitLabel(label(&last))
	b.mu.Lock()
	changed := b.changed
	b.mu.Unlock()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

// testGoroutines opens and closes many nodes, and counts goroutines.
func testGoroutines(r *run) {
	const rounds = 20
	cycle := func(i int) {
		a, b := r.open("a"), r.open("b")
		a.mustPublish(numbered(0, "a", i))
		b.awaitMessages(-1, 1)
		a.close()
		b.close()
	}
	cycle(0) // what a backend starts once is there now
	before := runtime.NumGoroutine()
	for i := range rounds {
		cycle(i)
	}
	deadline := time.NewTimer(r.broker.Timeout)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for runtime.NumGoroutine() >= before+rounds {
		select {
		case <-again.C: // a goroutine may end soon after Close has returned
		case <-deadline.C:
			r.tb.Errorf("%d goroutines more than before after %d nodes were opened and closed", runtime.NumGoroutine()-before, 2*rounds)
			return
		}
	}
}
