package engineio

import (
	"time"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// A client has closeLinger to fetch or answer the close packet of the server,
// and leaveLinger to fetch the noop that answers its own close packet.
const (
	closeLinger = time.Second
	leaveLinger = 100 * time.Millisecond
)

// Close ends the session by closing its transport, so that the client notices
// at once and reconnects by itself. Messages that were queued before are still
// sent.
func (s *Session) Close(reason Reason) { s.end(reason, endGracefully, websocket.StatusNormal) }

// endMode says how a session ends.
type endMode uint8

const (
	endGracefully endMode = iota // the queue is sent, and then a close packet or a Close frame
	endByClient                  // the client has sent a close packet
	endByAnswer                  // the HTTP error that answers a POST says so
	endAbruptly                  // as endGracefully, but the engine does not wait for a poll
	endBroken                    // the transport cannot be used; the queue is dropped
)

// end ends an open session. Only the first call does anything.
func (s *Session) end(reason Reason, mode endMode, status uint16) {
	s.mu.Lock()
	if s.state > sessionOpen {
		s.mu.Unlock()
		return
	}
	handler := s.handler
	s.state, s.reason = sessionClosed, reason
	s.endStallLocked()
	dropped := 0
	if mode == endBroken {
		dropped = s.dropQueueLocked()
	}
	probe, current := s.probe, s.link
	if probe != nil && probe.probed && mode != endByClient {
		// The client may have stopped polling. It does not notice the end of
		// the WebSocket before it has sent the upgrade packet, so the WebSocket
		// is closed after that.
		probe = nil
	} else {
		s.probe = nil
	}
	flush := false
	switch {
	case current == nil:
		s.endPollingLocked(mode)
	case mode == endBroken:
		current.state.setLocked(linkDead)
	default:
		flush = current.beginCloseLocked(status)
	}
	s.mu.Unlock()

	s.engine.account(-dropped)
	s.engine.heartbeats.Remove(s)
	s.engine.counters.close(reason)
	if handler != nil { // otherwise start calls Closed
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
	case current != nil && mode == endBroken:
		current.kill()
	}
}

// endPollingLocked prepares the last answer to a polling client. It answers the
// poll that is waiting, or one that arrives in time. s.mu must be held.
func (s *Session) endPollingLocked(mode endMode) {
	last, linger := closeMessage, closeLinger
	switch mode {
	case endByClient:
		last, linger = noopMessage, leaveLinger
	case endAbruptly, endBroken, endByAnswer:
		linger = 0
	}
	switch {
	case mode == endByAnswer && s.handler != nil && s.poll != nil:
		// The POST is answered first. If the poll were answered sooner, the
		// client would ignore the answer to the POST.
		last = lateCloseMessage
		s.setTimerLocked(leaveLinger, s.answerLate)
	case s.poll != nil:
		s.poll.signal()
	case linger > 0 && s.handler != nil:
		s.setTimerLocked(linger, s.stopWaiting)
	default:
		return
	}
	s.state, s.lastPacket, s.lastPacketAlone = sessionClosing, last, mode == endGracefully
}

// answerLate answers the poll that is waiting with a close packet, a moment
// after the answer to a POST.
func (s *Session) answerLate() {
	s.mu.Lock()
	if s.lastPacket == lateCloseMessage {
		s.lastPacket = closeMessage
	}
	polled := s.poll != nil
	if polled {
		s.poll.signal()
	}
	s.mu.Unlock()
	if !polled {
		s.stopWaiting()
	}
}

// awaitPoll gives the client closeLinger to fetch the last packet, unless it
// has fetched it.
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

// stopWaiting ends the wait for a poll that fetches the last packet. The
// WebSocket of a begun upgrade stays open until the upgrade is complete, or
// Options.UpgradeTimeout has passed.
func (s *Session) stopWaiting() {
	s.mu.Lock()
	s.stopTimerLocked()
	if s.state == sessionClosing {
		s.state, s.lastPacket = sessionClosed, nil
	}
	if s.poll != nil { // it waits until a POST is answered
		s.poll.signal()
	}
	s.mu.Unlock()
	s.forget()
}

// clientLeft is stopWaiting for a client that has received the last packet, or
// has disconnected. It also closes the WebSocket of a begun upgrade.
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

// forget removes the session from the engine's table, if it is in the state
// sessionClosed and Handler.Closed has returned. It drops the queue, unless a
// WebSocket still sends it or will send it.
func (s *Session) forget() {
	s.mu.Lock()
	ended := s.state == sessionClosed && s.closedCalled
	dropped := 0
	if ended && s.link == nil && s.probe == nil {
		dropped = s.dropQueueLocked()
	}
	s.mu.Unlock()
	s.engine.account(-dropped)
	if ended {
		s.engine.forget(s)
	}
}
