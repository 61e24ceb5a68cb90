package e2e

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// Long reports whether the tests run with full counts, because of MOJO_LONG=1
// in the environment.
func Long() bool { return os.Getenv("MOJO_LONG") == "1" }

// Rounds returns n if Long is true. Otherwise it returns a fiftieth of n, but
// at least 1.
func Rounds(n int) int {
	if Long() {
		return n
	}
	return max(n/50, 1)
}

// WaitUntil waits until reached returns true, for a state without an event to
// wait for. what names the state in a failure. Unlike require.Eventually it
// starts no goroutine.
func WaitUntil(t testing.TB, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(3 * siotest.Limit); !reached(); <-tick.C {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Logf("%s", stacks[:runtime.Stack(stacks, true)])
			require.FailNow(t, "not reached in time: "+what)
		}
	}
}

// LiveHeap returns the number of bytes in use after a garbage collection. It
// collects twice, which empties every sync.Pool.
func LiveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Descriptors returns the number of open file descriptors. It returns 0 on
// systems without /proc.
func Descriptors() int {
	open, _ := os.ReadDir("/proc/self/fd")
	return len(open)
}
