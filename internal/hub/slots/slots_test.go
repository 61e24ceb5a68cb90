package slots

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPortions: no more than a portion is looked at at a time, and all keys are
// returned once a turn, also if some are added and removed between the
// portions.
func TestPortions(t *testing.T) {
	x := New[string]()
	keys := make([]string, 100_000)
	for i := range keys {
		keys[i] = fmt.Sprint("k", i)
		x.Add(keys[i])
	}
	returned := make(map[string]int)
	changed := 0
	for turn := range N {
		slot := turn % N
		for at := x.SlotLen(slot); at > 0; {
			due, next := x.Portion(slot, turn+1, at)
			require.LessOrEqual(t, len(due), PortionSize)
			require.LessOrEqual(t, at-next, PortionSize)
			for _, k := range due {
				returned[k]++
			}
			for range 50 { // of those that are removed some were returned and some were not
				x.Remove(keys[changed])
				keys[changed] = fmt.Sprint("late", changed)
				x.Add(keys[changed])
				changed++
			}
			at = min(next, x.SlotLen(slot))
		}
	}
	for k, n := range returned {
		if n != 1 {
			t.Errorf("%s was returned %d times", k, n)
		}
	}
	for _, k := range keys[changed:] {
		if returned[k] == 0 {
			t.Errorf("%s was passed over", k)
		}
	}
	for _, k := range keys {
		x.Remove(k)
	}
	require.Zero(t, x.Len())
	require.Equal(t, [N]slot[string]{}, x.slots)
}

// TestCounts: a key is there until it was removed as often as it was added.
func TestCounts(t *testing.T) {
	x := New[string]()
	turn := 0
	listed := func() (all []string) {
		turn++
		for slot := range N {
			due, _ := x.Portion(slot, turn, x.SlotLen(slot))
			all = append(all, due...)
		}
		return all
	}
	x.Add("a")
	x.Add("a")
	x.Add("b")
	require.ElementsMatch(t, []string{"a", "b"}, listed())

	x.Remove("a")
	x.Remove("b")
	x.Remove("b")
	x.Remove("c")
	require.Equal(t, 1, x.Len())
	require.Equal(t, []string{"a"}, listed())

	x.Remove("a")
	require.Zero(t, x.Len())
	require.Equal(t, [N]slot[string]{}, x.slots)
}

// BenchmarkTurn reports how long a turn with 300,000 keys takes, and how long a
// portion of it, during which the lock of the user is held: nearly all of them,
// as what else the machine does falls on a few.
func BenchmarkTurn(b *testing.B) {
	x := New[string]()
	for i := range 300_000 {
		x.Add(fmt.Sprint("s", i))
	}
	var portions []time.Duration
	turn := 0
	b.ReportAllocs()
	for b.Loop() {
		turn++
		slot := turn % N
		for at := x.SlotLen(slot); at > 0; {
			begun := time.Now()
			_, at = x.Portion(slot, turn, at)
			portions = append(portions, time.Since(begun))
		}
	}
	slices.Sort(portions)
	b.ReportMetric(float64(portions[len(portions)*999/1000].Microseconds())/1000, "ms/portion-p999")
}
