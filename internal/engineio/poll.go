package engineio

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// poller is a GET request that waits for messages. Session.mu guards its
// fields, except wake.
type poller struct {
	wake    chan struct{} // has a buffer of one signal
	noop    bool          // answer with a noop, so that the client polls again
	refused bool          // a WebSocket carries the session now
	answer  payload       // the messages that RenewPoll has taken from the queue for this poll

	permission permission
}

// isWithheld reports whether the poll gets no messages.
func (p *poller) isWithheld() bool { return p.permission.admission == Withheld }

// signal wakes the poll. If the poll does not wait yet, its next wait ends at
// once.
func (p *poller) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// servePoll answers a poll with the messages that are queued for the client, as
// soon as there are any.
//
// With base64, a client of revision 3 wants binary packets as text.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request, perm permission, base64 bool) {
	// A poll waits longer than the timeouts that a site sets for its pages.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})

	p := &poller{wake: make(chan struct{}, 1), permission: perm}
	payload, answer := s.awaitAnswer(r, p)
	switch answer {
	case pollPayload:
		s.writePoll(w, &payload, base64, writeLimits{idle: s.engine.opts.PingTimeout})
	case pollLastMessages:
		if s.writePoll(w, &payload, base64, s.lastWriteLimits()) {
			s.awaitPoll()
		} else {
			s.clientLeft()
		}
	case pollLastPacket:
		s.writePoll(w, &payload, base64, s.lastWriteLimits())
		s.clientLeft()
	case pollUnknown:
		refuse(w, r, http.StatusBadRequest, codeUnknownSID, textUnknownSID)
	case pollDuplicate:
		s.end(TransportError, endAbruptly, websocket.StatusNormal)
		refuse(w, r, http.StatusBadRequest, codeBadRequest, textBadRequest)
	case pollRefused:
		refuse(w, r, http.StatusBadRequest, codeBadRequest, textBadRequest)
	}
}

type pollAnswer uint8

const (
	pollWait         pollAnswer = iota
	pollPayload                 // 200
	pollLastMessages            // 200; the last packet is for the next poll
	pollLastPacket              // 200, and the session ends
	pollRefused                 // 400: a WebSocket carries the session
	pollDuplicate               // 400: another poll is waiting, and the session ends
	pollUnknown                 // 400: the session has ended
)

// awaitAnswer waits until there is an answer to a poll.
func (s *Session) awaitAnswer(r *http.Request, p *poller) (payload payload, answer pollAnswer) {
	answer, upgrading := s.beginPoll(p)
	if answer != pollWait {
		return payload, answer
	}
	var noop <-chan time.Time
	if upgrading || p.permission.admission != Admitted {
		t := time.NewTimer(noopDelay)
		defer t.Stop()
		noop = t.C
	}
	for {
		if payload, answer = s.takePoll(p); answer != pollWait {
			return payload, answer
		}
		select {
		case <-p.wake:
		case <-noop:
			s.mu.Lock()
			p.noop = true
			s.mu.Unlock()
		case <-r.Context().Done():
			if errors.Is(r.Context().Err(), context.DeadlineExceeded) {
				s.engine.warnWrapped()
			}
			return payload, s.abortPoll(p)
		}
	}
}

// beginPoll makes p the poll of the session. It reports whether the client is
// about to switch to a WebSocket.
func (s *Session) beginPoll(p *poller) (answer pollAnswer, upgrading bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.link != nil:
		return pollRefused, false
	case s.poll != nil:
		return pollDuplicate, false
	}
	s.poll = p
	if s.renewals != p.permission.renewals { // the identity has changed since Handler.Admits returned
		p.permission.admission = Withheld
	}
	return pollWait, s.probe != nil && s.probe.probed
}

// abortPoll ends a poll that its client has aborted, and ends the session. If a
// WebSocket carries the session by then, the session goes on.
func (s *Session) abortPoll(p *poller) pollAnswer {
	s.mu.Lock()
	if s.poll == p {
		s.poll = nil
	}
	refused := p.refused
	s.mu.Unlock()
	if refused {
		return pollRefused
	}
	s.end(TransportError, endBroken, websocket.StatusNormal)
	s.clientLeft()
	return pollUnknown
}

// takePoll returns the answer to a poll. It removes the poll from the session,
// unless the answer is pollWait.
//
// A close packet is sent in a payload of its own, if the client may poll once
// more. The official client acts upon a close packet before it has handled the
// messages in the same payload, and so loses them.
func (s *Session) takePoll(p *poller) (payload, pollAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !p.answer.isEmpty():
		return p.answer, pollPayload
	case p.refused:
		s.poll = nil
		return payload{}, pollRefused
	case s.lastPacket == lateCloseMessage:
		return payload{}, pollWait
	}
	taken := s.newPayload()
	if !p.isWithheld() {
		taken = s.takePayloadLocked()
	}
	answer := pollPayload
	switch {
	case s.lastPacket != nil && p.isWithheld() && s.queue.len() > 0:
		// A later poll may get the last messages, if it arrives in time.
		if !p.noop {
			return payload{}, pollWait
		}
		taken.add(noopMessage)
		answer = pollLastMessages
	case s.lastPacket != nil && !taken.isEmpty() && (s.lastPacketAlone || s.queue.len() > 0):
		answer = pollLastMessages
		s.setTimerLocked(s.lastWriteLimits().total, s.stopWaiting)
	case s.lastPacket != nil:
		taken.add(s.lastPacket)
		answer = pollLastPacket
		s.lastPacket = nil
		s.setTimerLocked(s.lastWriteLimits().total, s.stopWaiting)
	case !taken.isEmpty():
	case s.state > sessionOpen:
		answer = pollUnknown
	case p.noop:
		taken.add(noopMessage)
	default:
		return payload{}, pollWait
	}
	s.poll = nil
	return taken, answer
}

// payloadSize limits the bytes of messages in one payload. A larger message has
// a payload of its own. A client handles no packet of a payload, not even a
// ping, before it has received all of it.
const payloadSize = 1 << 20

// takePayloadLocked takes as many messages from the queue as fit into one
// payload. s.mu must be held.
func (s *Session) takePayloadLocked() payload {
	p := s.newPayload()
	if s.pinging && s.state == sessionOpen {
		p.add(s.heartbeatMessage())
	}
	s.pinging = false
	for s.queue.len() > 0 && (p.size == 0 || p.size+s.queue.first().Size() <= payloadSize) {
		m := s.queue.pop()
		p.size += m.Size()
		p.add(m)
	}
	if !p.isEmpty() {
		s.progressLocked(false)
	}
	return p
}

// RenewPoll makes the client poll again, because its identity has changed. If a
// poll is waiting, it is answered with the messages that are queued now, or
// with a noop. Later messages are sent to a later poll.
func (s *Session) RenewPoll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewals++
	p := s.poll
	if p == nil || p.refused || s.state != sessionOpen {
		return
	}
	p.answer = s.newPayload()
	if !p.isWithheld() {
		p.answer = s.takePayloadLocked()
	}
	if p.answer.isEmpty() {
		p.answer.add(noopMessage)
	}
	s.poll = nil
	p.signal()
}

// lastWriteLimits returns the limits for the last answer of a session. A
// WebSocket has the same time for its last messages.
func (s *Session) lastWriteLimits() writeLimits {
	return writeLimits{idle: closeLinger, total: s.engine.opts.PingTimeout}
}

// writePoll writes the answer to a poll. If that fails, its messages are lost
// and the session ends.
func (s *Session) writePoll(w http.ResponseWriter, answer *payload, base64 bool, limits writeLimits) (sent bool) {
	limits.onProgress = func() {
		s.mu.Lock()
		s.progressLocked(true)
		s.mu.Unlock()
	}
	body, contentType := answer.encode(base64)
	err := reply(w, http.StatusOK, contentType, body, limits)
	s.Unreserve(answer.size)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.end(WriteTimeout, endBroken, websocket.StatusNormal)
	case err != nil:
		if errors.Is(err, http.ErrHandlerTimeout) {
			s.engine.warnWrapped()
		}
		s.end(TransportError, endBroken, websocket.StatusNormal)
	}
	return err == nil
}
