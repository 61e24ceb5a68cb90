package engineio

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// wheelLog is a wheel that notes when each session was due.
type wheelLog struct {
	*wheel
	mu    sync.Mutex // guards fired
	fired map[*Session][]time.Duration
}

func newWheelLog(tick time.Duration) *wheelLog {
	w := &wheelLog{fired: make(map[*Session][]time.Duration)}
	start := time.Now()
	w.wheel = newWheel(tick, start, func(due []*Session) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, s := range due {
			w.fired[s] = append(w.fired[s], time.Since(start))
		}
	})
	return w
}

// times are the times at which s was due.
func (w *wheelLog) times(s *Session) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fired[s]
}

func TestWheelTick(t *testing.T) {
	for _, c := range []struct{ interval, timeout, tick time.Duration }{
		{25 * time.Second, 20 * time.Second, 45 * time.Second / wheelSlots},
		{300 * time.Millisecond, 200 * time.Millisecond, time.Millisecond},
		{time.Hour, time.Hour, 100 * time.Millisecond},
	} {
		require.Equal(t, c.tick, wheelTick(c.interval, c.timeout))
	}
}

// Whatever is scheduled, moved and removed, in any order: each fires once, not
// early, and at most a tick late.
func TestWheelFiresInTime(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			const tick = 10 * time.Millisecond
			w := newWheelLog(tick)
			want := make(map[*Session]time.Duration)
			begun := w.start
			for range 300 {
				// Up to three circumferences ahead, and some in the past.
				at := time.Since(begun) + time.Duration(random.Int64N(int64(3*wheelSlots*tick))) - 20*tick
				s := new(Session)
				w.schedule(s, at)
				want[s] = max(at, time.Since(begun))
				switch random.IntN(4) {
				case 0:
					w.remove(s)
					w.remove(s)
					delete(want, s)
				case 1:
					at = time.Since(begun) + time.Duration(random.Int64N(int64(wheelSlots*tick)))
					w.schedule(s, at)
					want[s] = at
				}
				time.Sleep(time.Duration(random.Int64N(int64(3 * tick))))
			}
			time.Sleep(4 * wheelSlots * tick)
			synctest.Wait()
			w.mu.Lock()
			require.Len(t, w.fired, len(want))
			w.mu.Unlock()
			for s, at := range want {
				require.Len(t, w.times(s), 1)
				require.GreaterOrEqual(t, w.times(s)[0], at)
				require.LessOrEqual(t, w.times(s)[0], at+tick)
			}
			require.Zero(t, w.count)
			require.False(t, w.armed, "an empty wheel has nothing running")
		})
	}
}

func TestWheelStartsAgainAfterARest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWheelLog(time.Millisecond)
		for range 3 {
			time.Sleep(time.Hour)
			s := new(Session)
			at := time.Since(w.start) + 5*time.Millisecond
			w.schedule(s, at)
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			require.Equal(t, []time.Duration{at}, w.times(s))
		}
	})
}

func TestWheelRemovesFromWithinASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWheelLog(time.Millisecond)
		sessions := make([]*Session, 5)
		for i := range sessions {
			sessions[i] = new(Session)
			w.schedule(sessions[i], time.Second)
		}
		for _, i := range []int{2, 4, 0} {
			w.remove(sessions[i])
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, w.fired, 2)
		require.Len(t, w.times(sessions[1]), 1)
		require.Len(t, w.times(sessions[3]), 1)
	})
}

func BenchmarkWheel(b *testing.B) {
	w := newWheel(time.Millisecond, time.Now(), func([]*Session) {})
	sessions := make([]Session, 10_000)
	for i := range b.N {
		w.schedule(&sessions[i%len(sessions)], time.Hour+time.Duration(i)*time.Microsecond)
	}
	for i := range sessions {
		w.remove(&sessions[i])
	}
}
