package e2e

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// Long reports whether tests run in full: with MOJO_LONG=1 in the environment.
func Long() bool { return os.Getenv("MOJO_LONG") == "1" }

// Rounds returns how often to do what is done n times in full: n times if Long
// is true, and a fiftieth of it otherwise, but at least once.
func Rounds(n int) int {
	if Long() {
		return n
	}
	return max(n/50, 1)
}

// WaitUntil waits for a state that no event announces. Unlike
// require.Eventually it starts no goroutine.
func WaitUntil(t testing.TB, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(3 * siotest.Limit); !reached(); <-tick.C {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Logf("%s", stacks[:runtime.Stack(stacks, true)])
			require.FailNow(t, "never reached: "+what)
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

// Descriptors returns the number of open file descriptors, and 0 where the
// system does not say.
func Descriptors() int {
	open, _ := os.ReadDir("/proc/self/fd")
	return len(open)
}
