package socketio

import "github.com/mojosocket/mojo/internal/engineio"

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
