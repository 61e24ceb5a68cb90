package socketio

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWorkersAreKeptForAMoment: goroutines that have run lanes run the next
// ones, and are gone when there are none for a while, although clients are
// still connected.
func TestWorkersAreKeptForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newTestApp()
		running := make(map[string]bool)
		var mu sync.Mutex
		app.event = func(*Event) {
			mu.Lock()
			defer mu.Unlock()
			running[goroutine()] = true
		}
		server, _, site := serve(t, app, "/a")
		client := dial(t, site, "websocket", "", "")
		socket := client.Connect("/a", nil)
		for range 100 {
			socket.Emit("event")
			synctest.Wait()
		}
		idle := func() (workers int, armed bool) {
			server.activity.mu.Lock()
			defer server.activity.mu.Unlock()
			return len(server.activity.idle), server.activity.armed
		}
		require.Len(t, running, 1)
		workers, _ := idle()
		require.Equal(t, 1, workers)

		time.Sleep(2 * idleTime)
		synctest.Wait()
		workers, armed := idle()
		require.Zero(t, workers)
		require.False(t, armed)

		socket.Emit("event")
		synctest.Wait()
		require.Len(t, running, 2)
	})
}

// goroutine names the running one.
func goroutine() string {
	var buf [64]byte
	text := string(buf[:runtime.Stack(buf[:], false)])
	return text[:len("goroutine 1234567890")]
}
