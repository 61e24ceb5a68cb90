package timingwheel

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type item struct{ entry Entry[item] }

func entryOf(i *item) *Entry[item] { return &i.entry }

// wheelLog is a Wheel that records when each item fired.
type wheelLog struct {
	*Wheel[item]
	start time.Time

	mu    sync.Mutex // guards the field below
	fired map[*item][]time.Duration
}

func newWheelLog(tick time.Duration) *wheelLog {
	start := time.Now()
	w := &wheelLog{start: start, fired: make(map[*item][]time.Duration)}
	w.Wheel = New(tick, func() time.Duration { return time.Since(start) }, entryOf, func(due []*item) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, s := range due {
			w.fired[s] = append(w.fired[s], time.Since(start))
		}
	})
	return w
}

// times returns the times at which an item fired.
func (w *wheelLog) times(s *item) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fired[s]
}

func TestTickFor(t *testing.T) {
	for _, c := range []struct{ furthest, tick time.Duration }{
		{45 * time.Second, 45 * time.Second / Slots},
		{500 * time.Millisecond, time.Millisecond},
		{2 * time.Hour, 100 * time.Millisecond},
	} {
		require.Equal(t, c.tick, TickFor(c.furthest))
	}
}

// TestWheelFiresInTime schedules, changes and removes deadlines in any order:
// each fires once, not early, and at most a tick late.
func TestWheelFiresInTime(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			const tick = 10 * time.Millisecond
			w := newWheelLog(tick)
			want := make(map[*item]time.Duration)
			begun := w.start
			for range 300 {
				// Up to three rounds of the slots ahead, and some in the past.
				at := time.Since(begun) + time.Duration(random.Int64N(int64(3*Slots*tick))) - 20*tick
				s := new(item)
				w.Schedule(s, at)
				want[s] = max(at, time.Since(begun))
				switch random.IntN(4) {
				case 0:
					w.Remove(s)
					w.Remove(s)
					delete(want, s)
				case 1:
					at = time.Since(begun) + time.Duration(random.Int64N(int64(Slots*tick)))
					w.Schedule(s, at)
					want[s] = at
				}
				time.Sleep(time.Duration(random.Int64N(int64(3 * tick))))
			}
			time.Sleep(4 * Slots * tick)
			synctest.Wait()
			w.mu.Lock()
			require.Len(t, w.fired, len(want))
			w.mu.Unlock()
			for s, at := range want {
				require.Len(t, w.times(s), 1)
				require.GreaterOrEqual(t, w.times(s)[0], at)
				require.LessOrEqual(t, w.times(s)[0], at+tick)
			}
			require.Zero(t, w.Len())
			require.False(t, w.armed, "the timer of an empty wheel runs")
		})
	}
}

func TestWheelStartsAgainAfterItWasEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWheelLog(time.Millisecond)
		for range 3 {
			time.Sleep(time.Hour)
			s := new(item)
			at := time.Since(w.start) + 5*time.Millisecond
			w.Schedule(s, at)
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			require.Equal(t, []time.Duration{at}, w.times(s))
		}
	})
}

func TestWheelRemovesFromWithinASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWheelLog(time.Millisecond)
		items := make([]*item, 5)
		for i := range items {
			items[i] = new(item)
			w.Schedule(items[i], time.Second)
		}
		for _, i := range []int{2, 4, 0} {
			w.Remove(items[i])
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, w.fired, 2)
		require.Len(t, w.times(items[1]), 1)
		require.Len(t, w.times(items[3]), 1)
	})
}

func BenchmarkWheel(b *testing.B) {
	start := time.Now()
	w := New(time.Millisecond, func() time.Duration { return time.Since(start) }, entryOf, func([]*item) {})
	items := make([]item, 10_000)
	for i := range b.N {
		w.Schedule(&items[i%len(items)], time.Hour+time.Duration(i)*time.Microsecond)
	}
	for i := range items {
		w.Remove(&items[i])
	}
}
