package index

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGroupLikeMap: a Group behaves like a map at all sizes, and snapshots do
// not change.
func TestGroupLikeMap(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		var g Group[int]
		model := make(map[int]bool)
		type snapshot struct{ got, copied []int }
		var snapshots []snapshot
		for step := range 3000 {
			value := random.IntN(100) // includes zero
			growing := step/300%2 == 0
			switch {
			case model[value] && (!growing || random.IntN(4) == 0):
				g.Remove(value)
				delete(model, value)
			case !model[value] && (growing || random.IntN(4) == 0):
				g.Add(value)
				model[value] = true
			case !model[value]:
				g.Remove(value) // it is not in the set
			}
			if random.IntN(10) == 0 {
				s := g.Snapshot()
				snapshots = append(snapshots, snapshot{s, slices.Clone(s)})
			}

			require.Equal(t, len(model), g.Len())
			if step%50 == 0 {
				members := slices.Sorted(slices.Values(g.Snapshot()))
				require.Len(t, members, len(model))
				for _, v := range members {
					require.True(t, model[v])
				}
				require.Len(t, slices.Compact(members), len(model), "each member once")
				if g.positions != nil {
					require.Len(t, g.positions, len(g.list))
				}
			}
		}
		for _, s := range snapshots {
			require.Equal(t, s.copied, s.got)
		}
	}
}

// TestGroupReleasesMemory: a Group does not reference removed members, and its
// array shrinks.
func TestGroupReleasesMemory(t *testing.T) {
	var g Group[*int]
	values := make([]*int, 1000)
	for i := range values {
		values[i] = new(int)
		g.Add(values[i])
	}
	for _, v := range values[:999] {
		g.Remove(v)
	}

	require.Equal(t, []*int{values[999]}, g.list)
	require.LessOrEqual(t, cap(g.list), 8)
	require.Nil(t, g.positions)
	for _, v := range g.list[:cap(g.list)][1:] {
		require.Nil(t, v)
	}
}

// TestAppendToSnapshot: an append to a snapshot does not change the Group.
func TestAppendToSnapshot(t *testing.T) {
	var g Group[int]
	for i := range 5 {
		g.Add(i)
	}
	_ = append(g.Snapshot(), 99)
	g.Add(5)

	require.Equal(t, []int{0, 1, 2, 3, 4, 5}, g.Snapshot())
	require.Nil(t, new(Group[int]).Snapshot())
}
