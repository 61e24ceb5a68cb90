package engineio

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// poller is a GET that waits. Session.mu guards its fields except wake.
type poller struct {
	wake    chan struct{} // has room for one
	noop    bool          // the client is to poll again at once
	refused bool          // a WebSocket has taken over
	answer  payload       // messages that RenewPoll has taken from the queue for it

	pass pass
}

// isEmpty reports whether the poll gets no messages.
func (p *poller) isEmpty() bool { return p.pass.admission == Withheld }

// signal wakes the poll, or keeps it from waiting.
func (p *poller) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// servePoll answers a poll with the messages that are queued for the client, as
// soon as there are any.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request, as pass) {
	// The site's timeouts are not meant for a request that waits on purpose.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})

	p := &poller{wake: make(chan struct{}, 1), pass: as}
	payload, answer := s.awaitAnswer(r, p)
	switch answer {
	case pollPayload:
		s.writePoll(w, payload, patience{still: s.engine.opts.PingTimeout})
	case pollLastMessages:
		if s.writePoll(w, payload, s.endPatience()) {
			s.awaitPoll()
		} else {
			s.clientLeft()
		}
	case pollLastPacket:
		s.writePoll(w, payload, s.endPatience())
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
	pollRefused                 // 400: the session does not poll any more
	pollDuplicate               // 400: another poll waits, and the session ends
	pollUnknown                 // 400: the session does not exist any more
)

// awaitAnswer waits until there is an answer to a poll.
func (s *Session) awaitAnswer(r *http.Request, p *poller) (payload payload, answer pollAnswer) {
	answer, upgrading := s.beginPoll(p)
	if answer != pollWait {
		return payload, answer
	}
	var noop <-chan time.Time
	if upgrading || p.pass.admission != Admitted {
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
	if s.renewals != p.pass.renewals { // the identity has changed since the handler was asked
		p.pass.admission = Withheld
	}
	return pollWait, s.probe != nil && s.probe.probed
}

// abortPoll ends a poll whose client has gone, and with it the session. If a
// WebSocket carries the session meanwhile, the poll was over anyway.
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

// takePoll returns the answer to a poll. Unless the answer is to wait, the
// session has no poll any more.
//
// A close packet has a payload of its own, if there is time for one. The
// official client acts upon it before it has handled the messages in the same
// payload, and so loses them.
func (s *Session) takePoll(p *poller) (payload, pollAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case p.answer.packets != nil:
		return p.answer, pollPayload
	case p.refused:
		s.poll = nil
		return payload{}, pollRefused
	case s.lastPacket == lateCloseMessage:
		return payload{}, pollWait
	}
	var taken payload
	if !p.isEmpty() {
		taken = s.takePayloadLocked()
	}
	answer := pollPayload
	switch {
	case s.lastPacket != nil && p.isEmpty() && s.queue.len() > 0:
		// The last messages are for a poll that may get them, if it comes in
		// time.
		if !p.noop {
			return payload{}, pollWait
		}
		taken.add(noopMessage)
		answer = pollLastMessages
	case s.lastPacket != nil && taken.packets != nil && (s.lastWaits || s.queue.len() > 0):
		answer = pollLastMessages
		s.setTimerLocked(s.endPatience().total, s.stopWaiting)
	case s.lastPacket != nil:
		taken.add(s.lastPacket)
		answer = pollLastPacket
		s.lastPacket = nil
		s.setTimerLocked(s.endPatience().total, s.stopWaiting)
	case taken.packets != nil:
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

// payload is the body of the answer to a poll.
type payload struct {
	packets []byte
	size    int // of the messages in it, which count as queued until it is written
}

func (p *payload) add(m *Message) { p.packets = m.AppendTo(p.packets) }

// payloadSize is the number of bytes of messages in one payload, unless it has
// only one message. A client handles nothing of a payload, not even a ping,
// before it has all of it.
const payloadSize = 1 << 20

// takePayloadLocked takes as many messages from the queue as fit into one
// payload. s.mu must be held.
func (s *Session) takePayloadLocked() payload {
	var p payload
	if s.pinging && s.state == sessionOpen {
		p.add(pingMessage)
	}
	s.pinging = false
	for s.queue.len() > 0 && (p.size == 0 || p.size+s.queue.first().Size() <= payloadSize) {
		m := s.queue.pop()
		p.size += m.Size()
		p.add(m)
	}
	if p.packets != nil {
		s.progressLocked(false)
	}
	return p
}

// RenewPoll makes the client poll anew, because its identity has changed. The
// poll that waits, if there is one, is answered with the messages that are
// queued now, or with a noop. Later messages are for a later poll.
func (s *Session) RenewPoll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewals++
	p := s.poll
	if p == nil || p.refused || s.state != sessionOpen {
		return
	}
	if !p.isEmpty() {
		p.answer = s.takePayloadLocked()
	}
	if p.answer.packets == nil {
		p.answer.add(noopMessage)
	}
	s.poll = nil
	p.signal()
}

// endPatience is the patience with a client that is told of the end. It is the
// same for a WebSocket.
func (s *Session) endPatience() patience {
	return patience{still: closeLinger, total: s.engine.opts.PingTimeout}
}

// writePoll writes the answer to a poll. If that fails, its messages are lost
// and the session ends.
func (s *Session) writePoll(w http.ResponseWriter, answer payload, p patience) (sent bool) {
	p.progress = func() {
		s.mu.Lock()
		s.progressLocked(true)
		s.mu.Unlock()
	}
	err := reply(w, http.StatusOK, textPlain, answer.packets, p)
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
