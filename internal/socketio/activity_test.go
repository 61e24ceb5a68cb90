package socketio

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A worker runs one mailbox after another. It ends when it was idle for a
// while, although clients are still connected.
func TestIdleWorkersAreKeptForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newTestApp()
		workers := make(map[string]bool) // that have run a handler
		var mu sync.Mutex
		app.event = func(*Event) {
			mu.Lock()
			defer mu.Unlock()
			workers[goroutine()] = true
		}
		server, _, site := serve(t, app, "/a")
		client := dial(t, site, "websocket", "", "")
		socket := client.Connect("/a", nil)
		for range 100 {
			socket.Emit("event")
			synctest.Wait()
		}
		idle := func() (n int, armed bool) {
			server.activity.mu.Lock()
			defer server.activity.mu.Unlock()
			return len(server.activity.idle), server.activity.armed
		}
		require.Len(t, workers, 1)
		kept, _ := idle()
		require.Equal(t, 1, kept)

		time.Sleep(2 * idleTime)
		synctest.Wait()
		kept, armed := idle()
		require.Zero(t, kept)
		require.False(t, armed)

		socket.Emit("event")
		synctest.Wait()
		require.Len(t, workers, 2)
	})
}

// goroutine returns the name of the goroutine that calls it.
func goroutine() string {
	var buf [64]byte
	text := string(buf[:runtime.Stack(buf[:], false)])
	return text[:len("goroutine 1234567890")]
}
