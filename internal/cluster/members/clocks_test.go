package members

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
)

// The time of a cluster is that of most clocks.
func TestNow(t *testing.T) {
	for name, test := range map[string]struct {
		offsets map[string]time.Duration
		want    time.Duration
	}{
		"alone":                    {map[string]time.Duration{"a": time.Hour}, time.Hour},
		"one is ahead":             {map[string]time.Duration{"a": time.Hour, "b": 0, "c": time.Second}, time.Second},
		"one is behind":            {map[string]time.Duration{"a": -time.Hour, "b": 0, "c": time.Second}, 0},
		"two, and one is ahead":    {map[string]time.Duration{"a": 0, "b": time.Hour}, 0},
		"four, and two are ahead":  {map[string]time.Duration{"a": 0, "b": time.Hour, "c": time.Hour, "d": time.Second}, time.Second},
		"five, and two are behind": {map[string]time.Duration{"a": 0, "b": -time.Hour, "c": -time.Hour, "d": 0, "e": 0}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t)
			for node, offset := range test.offsets {
				n.start(node)
				clock := func() time.Time { return n.now.Add(offset) }
				n.nodes[node].Members = New(seal.Origin{Node: node, Incarnation: 1}, wire.NodeInfo{Host: "host of " + node}, clock)
			}
			n.pass(5 * Period)
			n.requireWhole()
			for _, name := range n.names() {
				require.Equal(t, test.want, n.nodes[name].Now().Sub(n.now), name)
			}
		})
	}
}
