package command

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestClockOrder: the time decides and, if that is equal, the name of the node.
func TestClockOrder(t *testing.T) {
	sorted := []Clock{{}, {0, "a"}, {1, ""}, {1, "a"}, {1, "b"}, {2, "a"}}
	require.True(t, slices.IsSortedFunc(sorted, Clock.Compare))
	for i, c := range sorted {
		require.Equal(t, i == 0, c.IsZero())
		require.Zero(t, c.Compare(c))
		for j, d := range sorted {
			require.Equal(t, i < j, c.Before(d))
		}
	}
}

// TestClockWall: commands of the same moment have the same time.
func TestClockWall(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, after := range []time.Duration{0, 1, time.Microsecond - 1} {
		require.True(t, now.Equal(Clock{Time: now.UnixNano() + int64(after)}.Wall()))
	}
	require.True(t, now.Before(Clock{Time: now.UnixNano() + int64(time.Microsecond)}.Wall()))
}
