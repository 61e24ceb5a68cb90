package engineio

import (
	"math"
	"time"
)

// The heartbeat: a ping goes out every PingInterval, whatever else is sent, and
// its pong must be here PingTimeout after it was due, or after the client last took
// a part of a long write. While a handler stalls the
// pong may stand behind what is not read, so its deadline is suspended; the pings
// still go out, because the client gives up without them.
// https://github.com/socketio/engine.io-protocol#heartbeat

// beat is called by the wheel with the sessions whose deadline has come.
func (e *Engine) beat(due []*Session) {
	var b Batch
	for _, s := range due {
		if h := s.lapsed(); h != nil {
			h.Lapsed()
		}
		if s.pingIfDue() {
			s.ping(&b)
		}
	}
	b.Flush()
}

// ping sends a ping ahead of the messages that wait: a slow client would give up
// before it had read all of them.
func (s *Session) ping(b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.link
	switch {
	case s.state != open || s.overflowed:
	case l == nil:
		s.pinging = true
		if s.poll != nil {
			s.poll.signal()
		}
	case !l.writing:
		l.writing = true
		s.queued += int32(pingMessage.Size())
		b.engine = s.engine
		if s.since != 0 {
			b.waiting += pingMessage.Size()
		}
		b.add(due{l, pingMessage})
	case !l.closing:
		l.queuePingLocked()
	}
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
	ping := now >= s.pingDue
	if ping {
		// Counting from when it was due keeps the client's time and ours together;
		// after a long sleep of the machine the client still gets its whole time.
		const lateness = time.Second
		if now-s.pingDue > lateness {
			s.pingDue = now
		}
		if s.pongDue == 0 {
			s.pongDue = s.pingDue + s.engine.opts.PingTimeout
		}
		s.pingDue += s.engine.opts.PingInterval
	}
	s.schedule()
	return ping
}

// schedule has the wheel look at the session when there is something to do. It
// needs s.mu.
func (s *Session) schedule() {
	next := s.pingDue
	if s.pongDue != 0 && s.resume == nil {
		next = min(next, s.pongDue)
	}
	if s.lapses != 0 {
		next = min(next, s.lapses)
	}
	s.engine.beats.schedule(s, next)
}

// LapseAt has Handler.Lapsed called at a time, or not at all if it is zero. It
// takes the place of what an earlier call said.
func (s *Session) LapseAt(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lapses = 0
	if !at.IsZero() {
		// A day far off, the end of year 9999 for instance, must not overflow.
		const most = math.MaxInt64 / 2
		s.lapses = max(s.engine.now()+min(time.Until(at), most), 1)
	}
	if s.state == open { // otherwise start schedules, or nobody does any more
		s.schedule()
	}
}

// lapsed returns the handler that is to be told that its time has come, or nil.
func (s *Session) lapsed() Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != open || s.lapses == 0 || s.engine.now() < s.lapses {
		return nil
	}
	s.lapses = 0
	return s.handler
}

// expired reports whether the pong is overdue. Requests ask it too, so that a
// coarse timer never lets one in late.
func (s *Session) expired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == open && s.pongDue != 0 && s.resume == nil && s.engine.now() >= s.pongDue
}

// extendPong gives a client that was not read from its whole time again. It needs
// s.mu.
func (s *Session) extendPong() {
	if s.pongDue == 0 {
		return
	}
	s.pongDue = max(s.pongDue, s.engine.now()+s.engine.opts.PingTimeout)
	s.schedule()
}

func (s *Session) pong() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pongDue == 0 || s.state != open {
		return
	}
	s.pongDue = 0
	s.schedule()
}
