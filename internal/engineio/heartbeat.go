package engineio

import "time"

// The heartbeat: a ping goes out every PingInterval, whatever else is sent, and
// its pong must be here PingTimeout after it was due.
// https://github.com/socketio/engine.io-protocol#heartbeat

// beat is called by the wheel with the sessions whose deadline has come.
func (e *Engine) beat(due []*Session) {
	var b Batch
	for _, s := range due {
		if s.pingIfDue() {
			_ = s.Queue(pingMessage, false, &b)
		}
	}
	b.Flush()
}

// pingIfDue moves the heartbeat on and reports whether a ping is to be sent.
func (s *Session) pingIfDue() bool {
	if s.expired() {
		s.end(PingTimeout, abruptly, statusNormal)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != open {
		return false
	}
	now := s.engine.now()
	ping := !s.awaitingPong && now >= s.deadline
	switch {
	case ping:
		// Counting from when it was due keeps the client's time and ours together;
		// after a long sleep of the machine the client still gets its whole time.
		const lateness = time.Second
		if now-s.deadline > lateness {
			s.deadline = now
		}
		s.awaitingPong = true
		s.deadline += s.engine.opts.PingTimeout
	case s.awaitingPong && s.resume != nil:
		s.deadline = now + s.engine.opts.PingTimeout // suspended: see awaitRoom
	}
	s.engine.beats.schedule(s, s.deadline)
	return ping
}

// expired reports whether the pong is overdue. Requests ask it too, so that a
// coarse timer never lets one in late.
func (s *Session) expired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == open && s.awaitingPong && s.resume == nil && s.engine.now() >= s.deadline
}

func (s *Session) pong() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.awaitingPong || s.state != open {
		return
	}
	s.awaitingPong = false
	s.deadline += s.engine.opts.PingInterval - s.engine.opts.PingTimeout
	s.engine.beats.schedule(s, s.deadline)
}
