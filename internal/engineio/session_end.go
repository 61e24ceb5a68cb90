package engineio

import (
	"time"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// The time that a client has to fetch or answer the last packet: the close
// packet of the server, and the noop that answers the client's own close
// packet.
const (
	closeLinger = time.Second
	leaveLinger = 100 * time.Millisecond
)

// Close ends the session by closing its transport, so that the client notices
// at once and reconnects by itself. Messages that were queued before are still
// sent.
func (s *Session) Close(reason Reason) { s.end(reason, endGracefully, websocket.StatusNormal) }

// manner says how a session ends.
type manner uint8

const (
	endGracefully manner = iota // the queue is sent first, and then the client is told
	endByClient                 // by the client's own close packet
	endByAnswer                 // the answer to a request of the client tells it
	endAbruptly                 // the client is told if that takes no waiting
	endBroken                   // the transport is gone or cannot be used
)

// end ends an open session. Only the first call does anything.
func (s *Session) end(reason Reason, how manner, status uint16) {
	s.mu.Lock()
	if s.state > sessionOpen {
		s.mu.Unlock()
		return
	}
	handler := s.handler
	s.state, s.reason = sessionClosed, reason
	s.endStallLocked()
	dropped := 0
	if how == endBroken {
		dropped = s.dropQueueLocked()
	}
	probe, current := s.probe, s.link
	if probe != nil && probe.probed && how != endByClient {
		// The client may have stopped polling, and does not notice that a
		// WebSocket closes before it has switched to it. So this one is closed
		// after the upgrade packet.
		probe = nil
	} else {
		s.probe = nil
	}
	flush := false
	switch {
	case current == nil:
		s.endPollingLocked(how)
	case how == endBroken:
		current.state.setLocked(linkDead)
	default:
		flush = current.beginCloseLocked(status)
	}
	s.mu.Unlock()

	s.engine.account(-dropped)
	s.engine.heartbeats.Remove(s)
	s.engine.counters.close(reason)
	if handler != nil { // otherwise start tells it
		handler.Closed(reason)
		s.mu.Lock()
		s.closedCalled = true
		s.mu.Unlock()
	}
	s.forget()
	if probe != nil {
		probe.close(websocket.StatusNormal)
	}
	switch {
	case flush:
		current.flush(nil)
	case current != nil && how == endBroken:
		current.kill()
	}
}

// endPollingLocked prepares the last answer to a polling client: to the poll
// that waits, or to one that comes in time. s.mu must be held.
func (s *Session) endPollingLocked(how manner) {
	last, linger := closeMessage, closeLinger
	switch how {
	case endByClient:
		last, linger = noopMessage, leaveLinger
	case endAbruptly, endBroken, endByAnswer:
		linger = 0
	}
	switch {
	case how == endByAnswer && s.handler != nil && s.poll != nil:
		// That answer comes first. If the poll were answered sooner, the client
		// would take notice of nothing else.
		last = lateCloseMessage
		s.setTimerLocked(leaveLinger, s.answerLate)
	case s.poll != nil: // it is answered
		s.poll.signal()
	case linger > 0 && s.handler != nil:
		s.setTimerLocked(linger, s.stopWaiting)
	default:
		return
	}
	s.state, s.lastPacket, s.lastWaits = sessionClosing, last, how == endGracefully
}

// answerLate answers the poll that waits with the end of the session, of which
// the answer to another request has told the client a moment ago.
func (s *Session) answerLate() {
	s.mu.Lock()
	if s.lastPacket == lateCloseMessage {
		s.lastPacket = closeMessage
	}
	waits := s.poll != nil
	if waits {
		s.poll.signal()
	}
	s.mu.Unlock()
	if !waits {
		s.stopWaiting()
	}
}

// awaitPoll gives the client time to fetch the last packet, if it has not.
func (s *Session) awaitPoll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lastPacket != nil && s.poll == nil {
		s.setTimerLocked(closeLinger, s.stopWaiting)
	}
}

// setTimerLocked calls fn after d, unless the timer is stopped or set again
// before. s.mu must be held.
func (s *Session) setTimerLocked(d time.Duration, fn func()) {
	s.stopTimerLocked()
	s.timer = time.AfterFunc(d, fn)
}

func (s *Session) stopTimerLocked() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// stopWaiting ends the wait for a poll that fetches the last packet. A
// WebSocket that the client is about to switch to stays until the client has
// done so, or Options.UpgradeTimeout has passed.
func (s *Session) stopWaiting() {
	s.mu.Lock()
	s.stopTimerLocked()
	if s.state == sessionClosing {
		s.state, s.lastPacket = sessionClosed, nil
	}
	if s.poll != nil { // it waits for the answer to a POST to come first
		s.poll.signal()
	}
	s.mu.Unlock()
	s.forget()
}

// clientLeft is stopWaiting for a client that knows of the end, or has gone.
// The WebSocket that would have taken over is not needed any more.
func (s *Session) clientLeft() {
	s.mu.Lock()
	var probe *link
	if s.state > sessionOpen {
		probe, s.probe = s.probe, nil
	}
	s.mu.Unlock()
	if probe != nil {
		probe.close(websocket.StatusNormal)
	}
	s.stopWaiting()
}

// forget removes the session from the engine's table when it has ended and
// waits for nothing. The queue is dropped with it, unless a WebSocket still
// sends it or will do so.
func (s *Session) forget() {
	s.mu.Lock()
	gone := s.state == sessionClosed && s.closedCalled
	dropped := 0
	if gone && s.link == nil && s.probe == nil {
		dropped = s.dropQueueLocked()
	}
	s.mu.Unlock()
	s.engine.account(-dropped)
	if gone {
		s.engine.forget(s)
	}
}
