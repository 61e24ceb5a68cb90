package socketio

import (
	"time"

	"github.com/mojosocket/mojo/internal/hub/presence"
)

// doPresenceWork does what the presence of the hub asks for. While one caller has not
// come to telling transitions, the next one tells them: at the latest the end
// of the last connection, for which Shutdown waits.
func (s *Server) doPresenceWork(work presence.Work) {
	if work.EndGraceAfter > 0 {
		s.grace.Store(time.AfterFunc(work.EndGraceAfter, func() { s.doPresenceWork(s.hub.EndGrace()) }))
		if s.Closed() { // EndAllGrace may have come before
			s.stopGrace()
		}
	}
	if !work.Notify {
		return
	}
	s.activity.begin() // before the hub knows of it: Shutdown waits for transitions that are being told
	if s.hub.BeginNotifying() {
		go s.tellTransitions()
	} else {
		s.activity.end()
	}
}

// stopGrace stops the timer, which would keep the Server in memory.
func (s *Server) stopGrace() {
	if timer := s.grace.Load(); timer != nil {
		timer.Stop()
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
