package processes

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/redistest"
)

// Four nodes emit at the same time, to everybody and to people in turn. Each
// client receives all events of each node, in order, once.
func TestOrder(t *testing.T) {
	broker := redistest.New(t)
	n := startNodes(t, broker.Addr, 4)
	var receivers []*orderedReceiver
	var users []string
	for i := range n {
		user := name("user", i)
		users = append(users, user)
		receivers = append(receivers, &orderedReceiver{
			t: t, person: n[i].visit(transportOf(i), user, user), next: make(map[string]int), progress: make(chan struct{}),
		})
	}
	waitUntil(t, "all nodes know all", func() bool {
		for _, other := range n {
			if len(other.look().Users) != len(n) {
				return false
			}
		}
		return true
	})
	lost := func() (count uint64) {
		for _, other := range n {
			count += other.look().Stats.Cluster.Lost
		}
		return count
	}
	lostBefore := lost()
	const batch = 250
	events := long(100_000, 5_000)
	var running sync.WaitGroup
	for _, r := range receivers {
		running.Go(func() { r.read(len(n) * events) })
	}
	began := time.Now()
	for i := range n {
		running.Go(func() {
			event := name("from", i)
			for first := 0; first < events; first += batch {
				var result Emitted
				err := n[i].tryCall("Emit", Emission{Event: event, Users: users, Mixed: true, First: first, Count: batch}, &result)
				if err != nil || result.Failed > 0 {
					t.Errorf("%v, %+v", err, result)
					return
				}
				for _, r := range receivers {
					if !r.await(event, first+batch) {
						return
					}
				}
			}
		})
	}
	running.Wait()
	require.False(t, t.Failed())
	t.Logf("%d events of each node, %.0f deliveries a second", events, float64(events*len(n)*len(n))/time.Since(began).Seconds())
	require.Equal(t, lostBefore, lost())
	for _, r := range receivers {
		r.ExpectNothing()
	}
}

// orderedReceiver checks the events that a person receives.
type orderedReceiver struct {
	*person
	t testing.TB

	mu       sync.Mutex
	next     map[string]int // the number of the next event, by name
	progress chan struct{}  // closed when next changes
	ended    bool
}

// read reads so many events.
func (r *orderedReceiver) read(count int) {
	for range count {
		e, err := r.TryNext()
		var number int
		if err == nil {
			err = e.Decode(0, &number)
		}
		r.mu.Lock()
		if want := r.next[e.Name]; err == nil && number != want {
			err = fmt.Errorf("%s came instead of %d", e, want)
		}
		r.next[e.Name] = number + 1
		r.ended = err != nil
		close(r.progress)
		r.progress = make(chan struct{})
		r.mu.Unlock()
		if err != nil {
			r.t.Errorf("%s: %v", r.user, err)
			return
		}
	}
}

// await waits until the events below a number have come. It returns false if
// that is impossible.
func (r *orderedReceiver) await(event string, number int) bool {
	for {
		r.mu.Lock()
		reached, ended, progress := r.next[event] >= number, r.ended, r.progress
		r.mu.Unlock()
		if reached || ended {
			return reached
		}
		<-progress
	}
}
