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

// While Options.Revalidation.Check is called for each of many sessions, neither
// look-ups of sessions nor new connections are delayed. Both need the locks
// under which sessions are listed. Check is called for a 64th of the sessions
// at a time. In the median of such turns, the longest look-up takes at most 1
// ms longer than the longest look-up in a map of the test's own, which only
// waits for a processor. A lock that new connections wait for delays look-ups,
// too. The sessions' connections are in memory. With MOJO_LONG=1 in the
// environment there are 300,000.
func TestRevalidateStopsNobody(t *testing.T) {
	const turns, tries, most = 64, 3, time.Millisecond
	sessions, every := 30_000, 64*50*time.Millisecond
	if os.Getenv("MOJO_LONG") == "1" {
		sessions, every = 300_000, 64*500*time.Millisecond
	}
	var asked atomic.Int64
	srv, err := mojo.New(mojo.Options{
		Identify: memory.Identify, Timeouts: mojo.Timeouts{PingInterval: time.Hour},
		Revalidation: mojo.Revalidation{
			Every: every,
			Check: func(context.Context, mojo.Identity) (bool, error) {
				asked.Add(1)
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
		before := asked.Load()
		turn := every / turns
		var connects, alone []time.Duration
		var others sync.WaitGroup
		others.Go(func() {
			newcomers := memory.New(int(every/time.Millisecond) + 1)
			connects = pauses(turns, turn, time.Millisecond, func(i int) {
				newcomers.Connect(srv, i, sessions)
				newcomers.Drop(i)
			})
		})
		others.Go(func() {
			own := make(map[string]int)
			alone = pauses(turns, turn, time.Millisecond/10, func(i int) { own[memory.SessionID(i%sessions)]++ })
		})
		all := srv.CurrentSessions()
		lookups := pauses(turns, turn, time.Millisecond/10, func(i int) {
			all.Get(memory.SessionID(i * 7919 % sessions)).Len()
		})
		others.Wait()
		took := asked.Load() - before
		t.Logf("%d sessions, %d of which were asked about. The longest of a turn, in the median of %d turns and in the worst: look-up %v, %v; look-up in a map of the test's own %v, %v; connection %v, %v",
			sessions, took, turns, lookups[turns/2], lookups[turns-1], alone[turns/2], alone[turns-1], connects[turns/2], connects[turns-1])
		require.Greater(t, took, int64(sessions/2))
		if lookups[turns/2] <= alone[turns/2]+most {
			return
		}
	}
	t.Error("too long")
}

// pauses calls a function repeatedly at an interval, and returns the longest
// call of each of several turns, in ascending order.
func pauses(turns int, turn, apart time.Duration, call func(i int)) []time.Duration {
	longest := make([]time.Duration, turns)
	tick := time.NewTicker(apart)
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
