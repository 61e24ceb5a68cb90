package hostile

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// footprint is what a process takes.
type footprint struct {
	goroutines, descriptors int
	heap                    uint64 // bytes
}

// heapSlack is how much more heap is no leak: logs, buffers that grew, the test's own notes.
const heapSlack = 1 << 20

func takeFootprint() footprint {
	return footprint{runtime.NumGoroutine(), descriptors(), liveHeap()}
}

// liveHeap is the bytes in use after a collection. Pools are empty after two.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// descriptors is the number of open files, 0 where the system does not tell.
func descriptors() int {
	open, _ := os.ReadDir("/proc/self/fd")
	return len(open)
}

// requireReached waits until the process takes no more than it did.
func (f footprint) requireReached(t *testing.T) {
	t.Helper()
	waitUntil(t, "goroutines are where they were", func() bool { return runtime.NumGoroutine() <= f.goroutines })
	waitUntil(t, "file descriptors are where they were", func() bool { return descriptors() <= f.descriptors })
	waitUntil(t, "the heap is what it was", func() bool { return liveHeap() <= f.heap+heapSlack })
}

// waitUntil waits for a state that no event tells of. Unlike require.Eventually it starts no goroutine.
func waitUntil(t *testing.T, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(siotest.Limit); !reached(); <-tick.C {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Logf("%s", stacks[:runtime.Stack(stacks, true)])
			require.FailNow(t, "it did not come to that: "+what)
		}
	}
}

// allocated is how many bytes the process allocated while f ran, also by what f has others do.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
