package hostile

import (
	"runtime"
	"testing"

	"github.com/mojosocket/mojo/internal/e2e"
)

// footprint is what a process uses.
type footprint struct {
	goroutines, descriptors int
	heap                    int64 // bytes
}

// heapSlack is how much the heap may grow without being a leak: logs, buffers
// and the test's own records.
const heapSlack = 1 << 20

// takeFootprint returns what this process uses.
func takeFootprint() footprint {
	return footprint{runtime.NumGoroutine(), e2e.Descriptors(), e2e.LiveHeap()}
}

// requireReached waits until the process uses no more than f.
func (f footprint) requireReached(t *testing.T) {
	t.Helper()
	e2e.WaitUntil(t, "goroutines are where they were", func() bool { return runtime.NumGoroutine() <= f.goroutines })
	e2e.WaitUntil(t, "file descriptors are where they were", func() bool { return e2e.Descriptors() <= f.descriptors })
	e2e.WaitUntil(t, "the heap is what it was", func() bool { return e2e.LiveHeap() <= f.heap+heapSlack })
}

// allocated returns how many bytes the process allocates while f runs, in all
// goroutines.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
