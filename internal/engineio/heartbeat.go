package engineio

import (
	"math"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// The heartbeat: the engine sends a ping every PingInterval, whether or not it
// sends anything else. The pong must arrive within PingTimeout after the ping
// was due, or after the client last took a part of a long write. While handlers
// are behind, the pong may be among the bytes that are not read, so its
// deadline is suspended. Pings are still sent, because the client closes the
// connection without them.
// https://github.com/socketio/engine.io-protocol#heartbeat
//
// A client of revision 3 sends the pings, and the engine answers. Such a
// client may be silent for PingInterval and PingTimeout; each byte that arrives
// from it begins that time again.

// never is a deadline that does not pass. A sum with it does not overflow.
const never = time.Duration(math.MaxInt64 / 2)

// beginHeartbeatLocked sets the first deadlines of a session. s.mu must be
// held.
func (s *Session) beginHeartbeatLocked() {
	now, o := s.engine.now(), &s.engine.opts
	s.pingDue = now + o.PingInterval
	if s.revision == codec.Revision3 {
		s.pingDue, s.pongDue = never, now+o.PingInterval+o.PingTimeout
	}
	s.scheduleLocked()
}

// heard is called when bytes arrive from the client. With revision 3 the client
// may be silent from now.
func (s *Session) heard() {
	if s.revision == codec.Revision3 {
		s.extendSilence()
	}
}

// extendSilence does not schedule the later deadline: takePing does it when the
// earlier one passes.
func (s *Session) extendSilence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pongDue = s.engine.now() + s.engine.opts.PingInterval + s.engine.opts.PingTimeout
}

// heartbeatMessage returns what the engine sends for the heartbeat: a ping or,
// with revision 3, the answer to one.
func (s *Session) heartbeatMessage() *Message {
	if s.revision == codec.Revision3 {
		return pongMessage
	}
	return pingMessage
}

// answerPing answers a ping of a client of revision 3.
func (s *Session) answerPing() {
	var b Batch
	s.ping(&b)
	b.Flush()
}

// handleDeadlines handles the sessions whose deadline has passed. The timing
// wheel calls it.
func (e *Engine) handleDeadlines(due []*Session) {
	var b Batch
	for _, s := range due {
		if h := s.takeLapse(); h != nil {
			h.Lapsed()
		}
		if s.takePing() {
			s.ping(&b)
		}
	}
	b.Flush()
}

// ping sends the heartbeatMessage ahead of the queued messages. Behind them, it
// could reach a slow client too late: the client closes a connection without
// it.
func (s *Session) ping(b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, m := s.link, s.heartbeatMessage()
	switch {
	case s.state != sessionOpen || s.overflowed:
	case l == nil:
		s.pinging = true
		if s.poll != nil {
			s.poll.signal()
		}
	case !l.writing:
		l.writing = true
		s.queued += int32(m.Size())
		b.engine = s.engine
		if s.progressAt != 0 {
			b.uncounted += m.Size()
		}
		b.add(due{l, m})
	case l.state.get() == linkOpen:
		l.queuePingLocked()
	}
}

// takePing reports whether a ping is due, and schedules the next one. It ends a
// session whose pong is overdue.
func (s *Session) takePing() bool {
	if s.pongIsOverdue() {
		s.end(PingTimeout, endAbruptly, websocket.StatusNormal)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != sessionOpen {
		return false
	}
	now := s.engine.now()
	due := now >= s.pingDue
	if due {
		// The next ping is due an interval after this one was due, so that a
		// late ping does not delay later ones. After a long sleep of the
		// machine, the client has PingTimeout from now.
		const lateness = time.Second
		if now-s.pingDue > lateness {
			s.pingDue = now
		}
		if s.pongDue == 0 {
			s.pongDue = s.pingDue + s.engine.opts.PingTimeout
		}
		s.pingDue += s.engine.opts.PingInterval
	}
	s.scheduleLocked()
	return due
}

// scheduleLocked sets the next deadline of the session in the timing wheel.
// s.mu must be held.
func (s *Session) scheduleLocked() {
	next := s.pingDue
	if s.pongDue != 0 && s.stall.Load() == nil {
		next = min(next, s.pongDue)
	}
	if s.lapseAt != 0 {
		next = min(next, s.lapseAt)
	}
	s.engine.heartbeats.Schedule(s, next)
}

// LapseAt makes the engine call Handler.Lapsed at a time, or never if it is
// zero. It replaces the time of an earlier call.
func (s *Session) LapseAt(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lapseAt = 0
	if !at.IsZero() {
		// A time in the far future, the end of the year 9999 for instance, must
		// not overflow.
		s.lapseAt = max(s.engine.now()+min(time.Until(at), never), 1)
	}
	if s.state == sessionOpen { // earlier, start calls scheduleLocked
		s.scheduleLocked()
	}
}

// takeLapse returns the handler whose Lapsed is to be called now, or nil.
func (s *Session) takeLapse() Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != sessionOpen || s.lapseAt == 0 || s.engine.now() < s.lapseAt {
		return nil
	}
	s.lapseAt = 0
	return s.handler
}

// pongIsOverdue reports whether the session has to end because its pong is
// overdue. Requests also check this, because the timing wheel may be late by a
// tick.
func (s *Session) pongIsOverdue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == sessionOpen && s.pongDue != 0 && s.stall.Load() == nil && s.engine.now() >= s.pongDue
}

// extendPongLocked gives the client PingTimeout from now for its pong, because
// the server has not read from it. s.mu must be held.
func (s *Session) extendPongLocked() {
	if s.pongDue == 0 {
		return
	}
	s.pongDue = max(s.pongDue, s.engine.now()+s.engine.opts.PingTimeout)
	s.scheduleLocked()
}

// pong handles a pong of the client. Clients of revision 3 have none to send.
func (s *Session) pong() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pongDue == 0 || s.state != sessionOpen || s.revision == codec.Revision3 {
		return
	}
	s.pongDue = 0
	s.scheduleLocked()
}
