package socketio

import (
	"sync/atomic"

	"github.com/mojosocket/mojo/internal/engineio"
)

// Stats are the figures of a Server: what it holds now, and what it has counted
// since it was made.
type Stats struct {
	Engine      engineio.Stats
	Unconnected int
	Refused     uint64 // CONNECTs
	Panics      uint64
}

// Stats returns the figures of this moment.
func (s *Server) Stats() Stats {
	return Stats{
		Engine:      s.engine.Stats(),
		Unconnected: int(s.counters.unconnected.Load()),
		Refused:     s.counters.refused.Load(),
		Panics:      s.counters.panics.Load(),
	}
}

// counters counts what neither the engine nor the hub of a Server counts.
type counters struct {
	unconnected atomic.Int64  // connections without a first CONNECT
	refused     atomic.Uint64 // CONNECTs
	panics      atomic.Uint64
}

// addUnconnected counts a new connection, and reports false above the limit. A
// limit of 0 is none.
func (c *counters) addUnconnected(limit int) bool {
	if n := c.unconnected.Add(1); limit > 0 && n > int64(limit) {
		c.unconnected.Add(-1)
		return false
	}
	return true
}
