package hostile

import (
	"runtime"
	"testing"

	"github.com/mojosocket/mojo/internal/e2e"
)

// footprint has the resources that a process uses.
type footprint struct {
	goroutines, descriptors int
	heap                    int64 // bytes
}

// heapSlack is the number of bytes by which the heap may grow, for logs,
// buffers and the records of the test.
const heapSlack = 1 << 20

// currentFootprint returns the footprint of this process.
func currentFootprint() footprint {
	return footprint{runtime.NumGoroutine(), e2e.Descriptors(), e2e.LiveHeap()}
}

// requireReached waits until the process uses no more than f.
func (f footprint) requireReached(t *testing.T) {
	t.Helper()
	e2e.WaitUntil(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() <= f.goroutines })
	e2e.WaitUntil(t, "no more file descriptors than before", func() bool { return e2e.Descriptors() <= f.descriptors })
	e2e.WaitUntil(t, "no more heap than before", func() bool { return e2e.LiveHeap() <= f.heap+heapSlack })
}

// allocated returns the number of bytes that all goroutines allocate while f
// runs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
