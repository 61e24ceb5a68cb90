package index

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGroupIsASet: it behaves as a map does, through all sizes at which it
// changes its shape, and what a snapshot held it holds for ever.
func TestGroupIsASet(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		var g Group[int]
		model := make(map[int]bool)
		type kept struct{ snapshot, copy []int }
		var snapshots []kept
		for step := range 3000 {
			value := random.IntN(100) // zero among them
			growing := step/300%2 == 0
			switch {
			case model[value] && (!growing || random.IntN(4) == 0):
				g.Remove(value)
				delete(model, value)
			case !model[value] && (growing || random.IntN(4) == 0):
				g.Add(value)
				model[value] = true
			case !model[value]:
				g.Remove(value) // not in: nothing happens
			}
			if random.IntN(10) == 0 {
				s := g.Snapshot()
				snapshots = append(snapshots, kept{s, slices.Clone(s)})
			}

			require.Equal(t, len(model), g.Len())
			if step%50 == 0 {
				members := slices.Sorted(slices.Values(g.Snapshot()))
				require.Len(t, members, len(model))
				for _, v := range members {
					require.True(t, model[v])
				}
				require.Len(t, slices.Compact(members), len(model), "each once")
				if g.at != nil {
					require.Len(t, g.at, len(g.list))
				}
			}
		}
		for _, k := range snapshots {
			require.Equal(t, k.copy, k.snapshot)
		}
	}
}

// TestGroupLetsGo: it keeps no reference to what was removed, and no room for
// what once was.
func TestGroupLetsGo(t *testing.T) {
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
	require.Nil(t, g.at)
	for _, v := range g.list[:cap(g.list)][1:] {
		require.Nil(t, v)
	}
}

// TestSnapshotCannotBeAppendedInto the group.
func TestSnapshotCannotBeAppendedInto(t *testing.T) {
	var g Group[int]
	for i := range 5 {
		g.Add(i)
	}
	_ = append(g.Snapshot(), 99)
	g.Add(5)

	require.Equal(t, []int{0, 1, 2, 3, 4, 5}, g.Snapshot())
	require.Nil(t, new(Group[int]).Snapshot())
}
