package socketio

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRevalidatorStops when nobody is connected: no timer is left, and nothing is kept of who has gone.
func TestRevalidatorStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := serverOptions()
		opts.Revalidation = Revalidation{
			Every: time.Minute, Failures: 3,
			Ask: func(context.Context, Identified) (bool, error) { panic("no answer") },
		}
		s := NewServer(opts)
		v := s.validity
		c, _ := enter(t, &s.registry, Identity{"s", "u"})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		v.mu.Lock()
		require.NotZero(t, v.entryLocked(Identity{"s", "u"}).failures)
		require.True(t, v.armed)
		v.mu.Unlock()
		require.NotZero(t, s.Stats().Panics)

		s.registry.forget(c)
		c, _ = enter(t, &s.registry, Identity{"other", ""}) // so that the slot of the one who has gone is looked at
		time.Sleep(time.Minute)
		s.registry.forget(c)
		time.Sleep(time.Minute)
		synctest.Wait()

		v.mu.Lock()
		defer v.mu.Unlock()
		require.False(t, v.armed)
		require.Zero(t, v.listed)
		require.Equal(t, [revalidationSlots]revalidationSlot{}, v.slots)
		require.Empty(t, v.asking)
		require.Zero(t, v.workers)
		require.Zero(t, s.activity.n)
	})
}

// crowdedRevalidator returns a server in whose slots n identities stand, each with a connection. Its timer takes none:
// the test does.
func crowdedRevalidator(t testing.TB, n int) (*Server, []*client) {
	t.Helper()
	opts := serverOptions()
	opts.Revalidation = Revalidation{
		Every: 1000 * time.Hour, Failures: 3,
		Ask: func(context.Context, Identified) (bool, error) { return true, nil },
	}
	s := NewServer(opts)
	t.Cleanup(s.validity.stop)
	clients := make([]*client, n)
	for i := range clients {
		clients[i], _ = enter(t, &s.registry, Identity{Session: fmt.Sprint("s", i)})
	}
	return s, clients
}

// TestRevalidatorPortions: of however many identities, no more than a portion is looked at while the lock is held, and
// all are taken, each once, also if some come and go between the portions.
func TestRevalidatorPortions(t *testing.T) {
	s, clients := crowdedRevalidator(t, 100_000)
	v := s.validity
	taken := make(map[Identity]int)
	churn := 0
	for i := range v.slots {
		turn := i + 1
		slot := &v.slots[turn%revalidationSlots]
		for at := len(slot.list); at > 0; {
			due, next := v.take(slot, turn, at)
			require.LessOrEqual(t, len(due), revalidationPortion)
			require.LessOrEqual(t, at-next, revalidationPortion)
			for _, id := range due {
				taken[id]++
			}
			for range 50 { // of those who leave some were taken and some were not
				s.registry.forget(clients[churn])
				clients[churn], _ = enter(t, &s.registry, Identity{Session: fmt.Sprint("late", churn)})
				churn++
			}
			at = min(next, len(slot.list))
		}
	}
	for id, n := range taken {
		if n != 1 {
			t.Errorf("%v was taken %d times", id, n)
		}
	}
	for _, c := range clients[churn:] {
		if id := c.standing.Load().Identity; taken[id] == 0 {
			t.Errorf("%v was passed over", id)
		}
	}
	for _, c := range clients {
		s.registry.forget(c)
	}
	require.Zero(t, v.listed)
}

// TestRevalidatorSpreadsASlot: the identities of a large slot are not asked about all at once, but all within the
// interval.
func TestRevalidatorSpreadsASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const identities = 64 * 3 * revalidationPortion
		var mu sync.Mutex
		asked := make(map[time.Time]int)
		opts := serverOptions()
		opts.Revalidation = Revalidation{
			Every: time.Minute, Failures: 3,
			Ask: func(context.Context, Identified) (bool, error) {
				mu.Lock()
				defer mu.Unlock()
				asked[time.Now()]++
				return true, nil
			},
		}
		s := NewServer(opts)
		for i := range identities {
			_, _ = enter(t, &s.registry, Identity{Session: fmt.Sprint("s", i)})
		}
		time.Sleep(opts.Revalidation.Every + opts.Revalidation.Every/revalidationSlots)
		s.validity.stop()
		synctest.Wait()
		all := 0
		for at, n := range asked {
			require.LessOrEqual(t, n, revalidationPortion, at)
			all += n
		}
		require.GreaterOrEqual(t, all, identities)
		require.Zero(t, s.activity.n)
	})
}

// TestRevalidatorFollows what becomes of connections: the list has those identities that have any.
func TestRevalidatorFollows(t *testing.T) {
	s, _ := crowdedRevalidator(t, 0)
	r, v := &s.registry, s.validity
	listed := func() (all []Identity) {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, slot := range v.slots {
			for _, e := range slot.list {
				require.Positive(t, e.connections)
				all = append(all, e.Identity)
			}
		}
		require.Len(t, all, v.listed)
		return all
	}
	first, _ := enter(t, r, Identity{"s", ""})
	second, _ := enter(t, r, Identity{"s", ""})
	_, _ = enter(t, r, Identity{})
	require.Equal(t, []Identity{{"s", ""}}, listed())

	r.mu.Lock()
	r.move(first, &standing{Identified: Identified{Identity: Identity{"s2", "u"}}, version: 1})
	r.mu.Unlock()
	require.ElementsMatch(t, []Identity{{"s", ""}, {"s2", "u"}}, listed())

	r.mu.Lock()
	r.move(second, &standing{version: 1}) // nobody
	r.mu.Unlock()
	require.Equal(t, []Identity{{"s2", "u"}}, listed())

	r.mu.Lock()
	r.evict(first)
	r.mu.Unlock()
	r.forget(first) // as Closed does after a revocation
	require.Empty(t, listed())
	require.Equal(t, [revalidationSlots]revalidationSlot{}, v.slots)
}

// BenchmarkRevalidatorTurn reports how long a turn with 300,000 identities takes, and how long a portion of it, during
// which nobody can connect: nearly all of them, as what else the machine does falls on a few.
func BenchmarkRevalidatorTurn(b *testing.B) {
	s, _ := crowdedRevalidator(b, 300_000)
	v := s.validity
	var portions []time.Duration
	turn := 0
	b.ReportAllocs()
	for b.Loop() {
		turn++
		slot := &v.slots[turn%revalidationSlots]
		for at := len(slot.list); at > 0; {
			begun := time.Now()
			_, at = v.take(slot, turn, at)
			portions = append(portions, time.Since(begun))
		}
	}
	slices.Sort(portions)
	b.ReportMetric(float64(portions[len(portions)*999/1000].Microseconds())/1000, "ms/portion-p999")
}
