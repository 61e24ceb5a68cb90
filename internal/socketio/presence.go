package socketio

import (
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// transitions are the transitions that this process must tell its applications.
type transitions interface {
	EndGrace() presence.Work
	EndAllGrace() presence.Work
	BeginNotifying() bool
	NextTransition() (presence.Transition, bool)
}

// stopGrace stops the timer, so that it does not keep the Server in memory.
func (s *Server) stopGrace() {
	if timer := s.graceTimer.Load(); timer != nil {
		timer.Stop()
	}
}

// tellTransitions calls the watchers for one transition at a time, in the order
// in which they happened, until there is none.
func (s *Server) tellTransitions() {
	done := false
	defer func() {
		if !done { // a callback called runtime.Goexit; another goroutine continues
			go s.tellTransitions()
			return
		}
		s.activity.end()
	}()
	for {
		t, ok := s.transitions.NextTransition()
		if !ok {
			done = true
			return
		}
		s.tellTransition(t)
	}
}

func (s *Server) tellTransition(t presence.Transition) {
	s.Call("OnPresence", func() {
		if t.Namespace == "" {
			s.opts.Presence(t)
			return
		}
		if w := s.namespace([]byte(t.Namespace)).watchers.Presence; w != nil {
			w.Presence(t)
		}
	})
}
