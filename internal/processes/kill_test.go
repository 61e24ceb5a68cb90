package processes

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
)

// One of three nodes is killed. The others drop it and its people, and those
// who were nowhere else go offline, once.
func TestKill(t *testing.T) {
	t.Parallel()
	_, n := startCluster(t)
	a, b, c := n[0], n[1], n[2]
	const people = 12
	var receivers []*person
	for i := range people {
		receivers = append(receivers, c.visit(transportOf(i), name("only", i), name("only", i)))
		c.visit(transportOf(i), name("both", i), name("both", i))
		n[i%2].visit(transportOf(i), name("both", i), name("both", i))
		receivers = append(receivers, n[i%2].visit(transportOf(i), name("other", i), name("other", i)))
	}
	w := newWatch(t, n...)
	w.awaitOnline(2 * 3 * people)
	serveFor(t, settled, n, receivers...) // who came just before a death may be told again
	w.update()
	w.forget()
	w.nodes = n[:2]

	c.kill()

	heard := make([]time.Time, 2) // when a node had its latest message of the third
	gone := waitUntil(t, "the node and its people are gone", func() bool {
		for i, other := range w.nodes {
			view := other.look()
			if k := slices.IndexFunc(view.Nodes, func(m mojo.Node) bool { return m.Name == c.Name }); k >= 0 {
				heard[i] = view.Nodes[k].Heard
				return false
			}
			require.GreaterOrEqual(t, view.At.Sub(heard[i]), 5*time.Second, "it was dropped too early")
			if len(view.Sessions) != 2*people || len(view.Users) != 2*people {
				return false
			}
		}
		return true
	})
	measured(t, "the node is gone after", gone, 6500*time.Millisecond)

	w.awaitOnline(2 * 2 * people)
	w.mark(a, "marker")
	require.Empty(t, w.repeated)
	told := make(map[someone]int)
	for _, e := range w.recent {
		told[someone{e.Kind, e.ID}]++
		only, marker := strings.HasPrefix(e.ID, "only"), strings.HasPrefix(e.ID, "marker")
		require.True(t, only && !e.Online || marker && e.Online, "%+v", e)
		require.Equal(t, 1, told[someone{e.Kind, e.ID}], "%+v", e)
	}
	require.Len(t, b.look().Nodes, 2)
}
