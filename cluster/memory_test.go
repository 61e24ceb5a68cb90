package cluster_test

import (
	"testing"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/cluster/clustertest"
)

// TestMemory runs the conformance suite on a Memory.
func TestMemory(t *testing.T) {
	clustertest.Run(t, func(*testing.T) clustertest.Broker {
		var m cluster.Memory
		return clustertest.Broker{
			Bus:       func() cluster.Bus { return &m },
			Cut:       func(node string) { m.Cut(node) },
			Reconnect: func(node string) { m.Reconnect(node) },
			Restart: func() {
				nodes := m.Nodes()
				m.Cut(nodes...)
				m.Reconnect(nodes...)
			},
		}
	})
}
