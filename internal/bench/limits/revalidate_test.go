package limits

import (
	"context"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/bench/memory"
)

// TestRevalidationDelaysNothing: while Options.Revalidation.Check is called for
// each of many sessions, neither look-ups of sessions nor new connections are
// delayed. Both need the locks under which sessions are listed. Check is called
// for a 64th of the sessions in each turn. In the median turn, the longest
// look-up takes at most 1 ms longer than the longest look-up in a map that only
// the test uses, which waits for nothing but a processor. A lock that new
// connections wait for also delays look-ups. The connections of the sessions
// are in memory. With MOJO_LONG=1 in the environment there are 300,000
// sessions.
func TestRevalidationDelaysNothing(t *testing.T) {
	const turns, tries, maxDelay = 64, 3, time.Millisecond
	sessions, every := 30_000, 64*50*time.Millisecond
	if os.Getenv("MOJO_LONG") == "1" {
		sessions, every = 300_000, 64*500*time.Millisecond
	}
	var checked atomic.Int64
	srv, err := mojo.New(mojo.Options{
		Identify: memory.Identify, Timeouts: mojo.Timeouts{PingInterval: time.Hour},
		Revalidation: mojo.Revalidation{
			Every: every,
			Check: func(context.Context, mojo.Identity) (bool, error) {
				checked.Add(1)
				return true, nil
			},
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	accepted := make(chan struct{}, 1024)
	_, err = srv.Handle("/", (&mojo.Events{Connect: func(*mojo.Conn) error { accepted <- struct{}{}; return nil }}).Handler())
	require.NoError(t, err)
	_, err = memory.New(sessions).Open(srv, sessions, accepted)
	require.NoError(t, err)
	go func() {
		for range accepted {
		}
	}()
	t.Cleanup(func() { _ = srv.Close(); close(accepted) })

	for range tries {
		before := checked.Load()
		turn := every / turns
		var connects, reference []time.Duration
		var others sync.WaitGroup
		others.Go(func() {
			newcomers := memory.New(int(every/time.Millisecond) + 1)
			connects = longestCalls(turns, turn, time.Millisecond, func(i int) {
				newcomers.Connect(srv, i, sessions)
				newcomers.Drop(i)
			})
		})
		others.Go(func() {
			other := make(map[string]int)
			reference = longestCalls(turns, turn, time.Millisecond/10, func(i int) { other[memory.SessionID(i%sessions)]++ })
		})
		all := srv.CurrentSessions()
		lookups := longestCalls(turns, turn, time.Millisecond/10, func(i int) {
			all.Get(memory.SessionID(i * 7919 % sessions)).Len()
		})
		others.Wait()
		checks := checked.Load() - before
		t.Logf("%d sessions, %d calls of Check. The longest call of a turn, in the median of %d turns and in the slowest: look-up %v, %v; look-up in the map of the test %v, %v; new connection %v, %v",
			sessions, checks, turns, lookups[turns/2], lookups[turns-1], reference[turns/2], reference[turns-1], connects[turns/2], connects[turns-1])
		require.Greater(t, checks, int64(sessions/2))
		if lookups[turns/2] <= reference[turns/2]+maxDelay {
			return
		}
	}
	t.Error("look-ups were delayed")
}

// longestCalls calls a function repeatedly at an interval. It returns the time
// of the longest call of each turn, in ascending order.
func longestCalls(turns int, turn, interval time.Duration, call func(i int)) []time.Duration {
	longest := make([]time.Duration, turns)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	begun := time.Now()
	for i := 0; ; i++ {
		<-tick.C
		start := time.Now()
		at := int(start.Sub(begun) / turn)
		if at >= turns {
			slices.Sort(longest)
			return longest
		}
		call(i)
		longest[at] = max(longest[at], time.Since(start))
	}
}
