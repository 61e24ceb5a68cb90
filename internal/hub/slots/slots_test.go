package slots

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPortions: each call visits at most PortionSize keys, and each key is
// returned once in a round, also if keys are added and removed between the
// calls.
func TestPortions(t *testing.T) {
	x := New[string]()
	keys := make([]string, 100_000)
	for i := range keys {
		keys[i] = fmt.Sprint("k", i)
		x.Add(keys[i])
	}
	returned := make(map[string]int)
	changed := 0
	for slot := range Count {
		for end := x.SlotLen(slot); end > 0; {
			due, next := x.Portion(slot, slot+1, end)
			require.LessOrEqual(t, len(due), PortionSize)
			require.LessOrEqual(t, end-next, PortionSize)
			for _, k := range due {
				returned[k]++
			}
			for range 50 { // some of the removed keys were returned before
				x.Remove(keys[changed])
				keys[changed] = fmt.Sprint("late", changed)
				x.Add(keys[changed])
				changed++
			}
			end = min(next, x.SlotLen(slot))
		}
	}
	for k, n := range returned {
		if n != 1 {
			t.Errorf("%s was returned %d times", k, n)
		}
	}
	for _, k := range keys[changed:] {
		if returned[k] == 0 {
			t.Errorf("%s was not returned", k)
		}
	}
	for _, k := range keys {
		x.Remove(k)
	}
	require.Zero(t, x.Len())
	require.Equal(t, [Count]slot[string]{}, x.slots)
}

// TestCounts: a key stays in the set until it was removed as often as it was
// added.
func TestCounts(t *testing.T) {
	x := New[string]()
	round := 0
	allKeys := func() (all []string) {
		round++
		for slot := range Count {
			due, _ := x.Portion(slot, round, x.SlotLen(slot))
			all = append(all, due...)
		}
		return all
	}
	x.Add("a")
	x.Add("a")
	x.Add("b")
	require.ElementsMatch(t, []string{"a", "b"}, allKeys())

	x.Remove("a")
	x.Remove("b")
	x.Remove("b")
	x.Remove("c")
	require.Equal(t, 1, x.Len())
	require.Equal(t, []string{"a"}, allKeys())

	x.Remove("a")
	require.Zero(t, x.Len())
	require.Equal(t, [Count]slot[string]{}, x.slots)
}

// BenchmarkRound measures the time of one slot of 300,000 keys. It also reports
// the time of a portion, during which the caller holds its lock. That is the
// 99.9th percentile, because other load on the machine makes a few portions
// slow.
func BenchmarkRound(b *testing.B) {
	x := New[string]()
	for i := range 300_000 {
		x.Add(fmt.Sprint("s", i))
	}
	var portions []time.Duration
	round := 0
	b.ReportAllocs()
	for b.Loop() {
		round++
		slot := round % Count
		for end := x.SlotLen(slot); end > 0; {
			start := time.Now()
			_, end = x.Portion(slot, round, end)
			portions = append(portions, time.Since(start))
		}
	}
	slices.Sort(portions)
	b.ReportMetric(float64(portions[len(portions)*999/1000].Microseconds())/1000, "ms/portion-p999")
}
