package socketio

import (
	"sync/atomic"

	"github.com/mojosocket/mojo/internal/engineio"
)

// Stats is what a Server holds now and has counted since it was made.
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
		Unconnected: int(s.figures.unconnected.Load()),
		Refused:     s.figures.refused.Load(),
		Panics:      s.figures.panics.Load(),
	}
}

// figures is what a Server counts beside its engine and its hub.
type figures struct {
	unconnected atomic.Int64  // connections without a first CONNECT
	refused     atomic.Uint64 // CONNECTs
	panics      atomic.Uint64
}

// enter counts a connection that begins, unless there are too many of them.
func (f *figures) enter(most int) bool {
	if n := f.unconnected.Add(1); most > 0 && n > int64(most) {
		f.unconnected.Add(-1)
		return false
	}
	return true
}
