package socketio

import (
	"time"

	"github.com/mojosocket/mojo/internal/hub/presence"
)

// seeTo does what the presence of the hub asks for.
func (s *Server) seeTo(work presence.Work) {
	if work.Wait > 0 {
		time.AfterFunc(work.Wait, func() { s.seeTo(s.hub.EndGrace()) })
	}
	if work.Tell {
		s.activity.begin()
		go s.tellTransitions()
	}
}

// tellTransitions tells transitions one at a time, in the order in which they
// happened, until there is none.
func (s *Server) tellTransitions() {
	done := false
	defer func() {
		if !done { // a callback called runtime.Goexit; the other transitions are told all the same
			go s.tellTransitions()
			return
		}
		s.activity.end()
	}()
	for {
		t, ok := s.hub.NextTransition()
		if !ok {
			done = true
			return
		}
		s.tellTransition(t)
	}
}

func (s *Server) tellTransition(t presence.Transition) {
	defer func() {
		if v := recover(); v != nil {
			s.panicked("OnPresence", v)
		}
	}()
	if t.Namespace == "" {
		s.opts.Presence(t)
		return
	}
	s.namespace([]byte(t.Namespace)).watchers.Presence.Presence(t)
}
