package fifo

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestQueueLikeSlice applies the same random operations to a queue and a slice.
func TestQueueLikeSlice(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 0))
		var q Queue[int]
		var want []int
		next := 0
		for range 2000 {
			switch random.IntN(5) {
			case 0, 1:
				q.Push(next)
				want = append(want, next)
				next++
			case 2:
				q.PushAll([]int{next, next + 1, next + 2})
				want = append(want, next, next+1, next+2)
				next += 3
			case 3:
				if len(want) > 0 {
					require.Equal(t, want[0], q.Pop(), "seed %d", seed)
					want = want[1:]
				}
			case 4:
				dst := make([]int, random.IntN(20))
				n := q.PopInto(dst)
				require.True(t, slices.Equal(want[:n], dst[:n]), "seed %d", seed)
				require.Equal(t, min(len(want), len(dst)), n)
				want = want[n:]
			}
			require.Equal(t, len(want), q.Len(), "seed %d", seed)
			for i, item := range want {
				require.Equal(t, item, *q.At(i), "seed %d", seed)
			}
		}
	}
}

// TestTrim: Trim releases the array of an empty queue, and no other array.
func TestTrim(t *testing.T) {
	var q Queue[int]
	q.Push(1)
	q.Trim(0)
	require.Equal(t, 1, q.Pop())
	require.NotZero(t, cap(q.items))
	q.Trim(cap(q.items))
	require.NotZero(t, cap(q.items))
	q.Trim(0)
	require.Zero(t, cap(q.items))
}

func TestAtPanicsOutsideTheQueue(t *testing.T) {
	var q Queue[int]
	q.PushAll([]int{1, 2})
	q.Pop()
	require.Panics(t, func() { q.At(1) })
	require.Panics(t, func() { q.At(-1) })
	q.Pop()
	require.Panics(t, func() { q.At(0) })
	require.Panics(t, func() { q.Pop() })
}

// TestPopReleasesMemory: the queue does not reference popped items, and an
// empty queue keeps only a small array.
func TestPopReleasesMemory(t *testing.T) {
	var q Queue[*int]
	for range 1000 {
		q.Push(new(int))
	}
	for range 999 {
		q.Pop()
	}
	for _, item := range q.items[:q.head] {
		require.Nil(t, item)
	}
	q.Pop()
	require.Zero(t, cap(q.items))

	q.Push(new(int))
	q.Pop()
	require.NotZero(t, cap(q.items))
	require.LessOrEqual(t, cap(q.items), smallCap)
}

func TestPopIntoKeepsTheArray(t *testing.T) {
	var q Queue[*int]
	for range 1000 {
		q.Push(new(int))
	}
	require.Equal(t, 1000, q.PopInto(make([]*int, 2000)))
	require.GreaterOrEqual(t, cap(q.items), 1000)
	for _, item := range q.items[:1000] {
		require.Nil(t, item)
	}
}

// TestQueueThatIsNeverEmpty: popped items take no memory, even after many
// calls.
func TestQueueThatIsNeverEmpty(t *testing.T) {
	var q Queue[int]
	for range 10 {
		q.Push(0)
	}
	for range 100_000 {
		q.Push(0)
		q.Pop()
	}
	require.Less(t, cap(q.items), 100)
}

func TestPushAndPopDoNotAllocate(t *testing.T) {
	var q Queue[*int]
	item := new(int)
	q.Push(item)
	q.Pop()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		q.Push(item)
		q.Push(item)
		q.Pop()
		q.Pop()
	}))
}

func BenchmarkQueue(b *testing.B) {
	var q Queue[*int]
	item := new(int)
	b.ReportAllocs()
	for b.Loop() {
		q.Push(item)
		q.Pop()
	}
}
