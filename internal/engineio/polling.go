package engineio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// poller is a GET that waits. Session.mu guards its fields but wake.
type poller struct {
	wake    chan struct{} // has room for one
	noop    bool          // the client should come back at once
	refused bool          // a WebSocket has taken over
	answer  payload       // what RenewPoll has taken for it

	pass pass
}

// empty reports whether the poll gets no messages.
func (p *poller) empty() bool { return p.pass.admission == Withheld }

// signal wakes the poll, or lets it not fall asleep.
func (p *poller) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// servePoll answers a poll with what waits for the client, as soon as anything
// does.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request, as pass) {
	// The site's timeouts are not meant for a request that waits on purpose.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})

	p := &poller{wake: make(chan struct{}, 1), pass: as}
	answer, probed := s.beginPoll(p)
	var nudge <-chan time.Time
	if probed || p.pass.admission != Admitted {
		t := time.NewTimer(noopDelay)
		defer t.Stop()
		nudge = t.C
	}
	var payload payload
	for answer == pollWait {
		if payload, answer = s.takePoll(p); answer != pollWait {
			break
		}
		select {
		case <-p.wake:
		case <-nudge:
			s.mu.Lock()
			p.noop = true
			s.mu.Unlock()
		case <-r.Context().Done():
			if errors.Is(r.Context().Err(), context.DeadlineExceeded) {
				s.engine.warnWrapped()
			}
			answer = s.abortPoll(p)
		}
	}
	switch answer {
	case pollPayload:
		s.writePoll(w, payload, patience{still: s.engine.opts.PingTimeout})
	case pollLastWords:
		if s.writePoll(w, payload, s.endPatience()) {
			s.awaitPoll()
		} else {
			s.left()
		}
	case pollFarewell:
		s.writePoll(w, payload, s.endPatience())
		s.left()
	case pollUnknown:
		refuse(w, r, http.StatusBadRequest, codeUnknownSID, textUnknownSID)
	case pollDuplicate:
		s.end(TransportError, abruptly, statusNormal)
		refuse(w, r, http.StatusBadRequest, codeBadRequest, textBadRequest)
	case pollRefused:
		refuse(w, r, http.StatusBadRequest, codeBadRequest, textBadRequest)
	}
}

type pollAnswer uint8

const (
	pollWait      pollAnswer = iota
	pollPayload              // 200
	pollLastWords            // 200; the farewell is for the next poll
	pollFarewell             // 200, and the session ends
	pollRefused              // 400: the session does not poll any more
	pollDuplicate            // 400: another poll waits, which ends the session
	pollUnknown              // 400: there is no such session any more
)

// beginPoll makes p the poll of the session. It reports whether a WebSocket is
// about to take over.
func (s *Session) beginPoll(p *poller) (answer pollAnswer, probed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.link != nil:
		return pollRefused, false
	case s.poll != nil:
		return pollDuplicate, false
	}
	s.poll = p
	if s.renewals != p.pass.renewals { // its identity has changed since
		p.pass.admission = Withheld
	}
	return pollWait, s.probe != nil && s.probe.probed
}

// abortPoll ends a poll whose client has gone, and with it the session: unless a
// WebSocket carries that by now, then the poll was over anyway.
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
	s.end(TransportError, brokenly, statusNormal)
	s.left()
	return pollUnknown
}

// takePoll returns what there is to say to a poll. Unless that is to wait, the
// poll is over for the session.
//
// A close packet has an answer of its own, if there is time for one: the official
// client acts upon it before it has handled the messages that it came with, and
// then loses them.
func (s *Session) takePoll(p *poller) (payload, pollAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case p.answer.packets != nil:
		return p.answer, pollPayload
	case p.refused:
		s.poll = nil
		return payload{}, pollRefused
	case s.farewell == lateCloseMessage:
		return payload{}, pollWait
	}
	var taken payload
	if !p.empty() {
		taken = s.takePayloadLocked()
	}
	answer := pollPayload
	switch {
	case s.farewell != nil && p.empty() && s.queue.len() > 0:
		// The last words are for a poll that may have them, if it comes in time.
		if !p.noop {
			return payload{}, pollWait
		}
		taken.add(noopMessage)
		answer = pollLastWords
	case s.farewell != nil && taken.packets != nil && (s.unhurried || s.queue.len() > 0):
		answer = pollLastWords
		s.lingerFor(s.endPatience().total)
	case s.farewell != nil:
		taken.add(s.farewell)
		answer = pollFarewell
		s.farewell = nil
		s.lingerFor(s.endPatience().total)
	case taken.packets != nil:
	case s.state > open:
		answer = pollUnknown
	case p.noop:
		taken.add(noopMessage)
	default:
		return payload{}, pollWait
	}
	s.poll = nil
	return taken, answer
}

// payload is the answer to a poll.
type payload struct {
	packets []byte
	size    int // of the messages in it: they count as queued until it is written
}

func (p *payload) add(m *Message) {
	if p.packets != nil {
		p.packets = append(p.packets, separator)
	}
	p.packets = m.appendPayload(p.packets)
}

// pollShare is how many bytes of messages go into one payload, unless there is only one
// message: a client handles nothing of a payload, not even a ping, before it has all
// of it.
const pollShare = 1 << 20

// takePayloadLocked takes what fits into one payload from the queue, nothing if that
// is empty. s.mu must be held.
func (s *Session) takePayloadLocked() payload {
	var p payload
	if s.pinging && s.state == open {
		p.add(pingMessage)
	}
	s.pinging = false
	for s.queue.len() > 0 && (p.size == 0 || p.size+s.queue.first().Size() <= pollShare) {
		m := s.queue.pop()
		p.size += m.Size()
		p.add(m)
	}
	if p.packets != nil {
		s.progressLocked(false)
	}
	return p
}

// RenewPoll has the client poll anew, because its identity has changed. The poll
// that waits, if there is one, is answered with what is queued by now, or with a
// noop. What is queued later is for a poll that comes later.
func (s *Session) RenewPoll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewals++
	p := s.poll
	if p == nil || p.refused || s.state != open {
		return
	}
	if !p.empty() {
		p.answer = s.takePayloadLocked()
	}
	if p.answer.packets == nil {
		p.answer.add(noopMessage)
	}
	s.poll = nil
	p.signal()
}

// endPatience is that with a client which is told of the end, as over a WebSocket.
func (s *Session) endPatience() patience {
	return patience{still: closeLinger, total: s.engine.opts.PingTimeout}
}

// writePoll sends the answer. What is in it is lost with it.
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
		s.end(WriteTimeout, brokenly, statusNormal)
	case err != nil:
		if errors.Is(err, http.ErrHandlerTimeout) {
			s.engine.warnWrapped()
		}
		s.end(TransportError, brokenly, statusNormal)
	}
	return err == nil
}

// servePost takes the packets of a POST, in order, and answers when all of them
// have been handed on.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	over, upgraded, overlap := s.state != open, s.link != nil, s.posting
	if !over && !upgraded {
		s.posting = true
	}
	s.mu.Unlock()
	status, reason := http.StatusBadRequest, Reason("")
	switch {
	case over:
		refuse(w, r, status, codeUnknownSID, textUnknownSID)
		return
	case upgraded:
	case overlap:
		reason = TransportError
	default:
		status, reason = s.takePost(w, r)
	}
	if reason != "" {
		s.end(reason, byAnswer, statusNormal)
	}
	switch status {
	case http.StatusOK:
	case http.StatusRequestEntityTooLarge:
		refuseTooLarge(w, r)
		return
	default:
		refuse(w, r, status, codeBadRequest, textBadRequest)
		return
	}
	// A client that is gone will not poll again: no need to look at the error.
	_ = reply(w, status, textPlain, []byte("ok"), patience{still: s.engine.opts.PingTimeout})
}

// takePost reads and handles the payload. It returns the status to answer with, and
// for which reason the session is to end then, if it is.
func (s *Session) takePost(w http.ResponseWriter, r *http.Request) (status int, reason Reason) {
	defer func() {
		s.mu.Lock()
		s.posting = false
		s.mu.Unlock()
	}()
	if !isText(r.Header["Content-Type"]) {
		s.engine.logProtocolError(s, errBinaryPost)
		return http.StatusBadRequest, ParseError
	}
	payload, err := s.readPost(w, r)
	switch {
	case errors.Is(err, errTooLarge):
		s.engine.logProtocolError(s, err)
		return http.StatusRequestEntityTooLarge, ParseError
	case err != nil:
		return http.StatusBadRequest, TransportError
	}
	err = s.receivePayload(payload)
	recycle(payload)
	switch {
	case errors.Is(err, errClientClose):
		s.end(TransportClose, byClient, statusNormal)
	case err != nil:
		s.engine.logProtocolError(s, err)
		return http.StatusBadRequest, ParseError
	}
	return http.StatusOK, ""
}

// isText reports whether a payload of this Content-Type is one of revision 4, which
// is always text. Whatever else a client or a proxy makes of the header, binary is
// what says so: octet-stream, with or without parameters, alone or in a list.
func isText(contentType []string) bool {
	for _, line := range contentType {
		for part := range strings.SplitSeq(line, ",") {
			mediaType, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(mediaType), "application/octet-stream") {
				return false
			}
		}
	}
	return true
}

var errBinaryPost = errors.New("polling payload of Content-Type application/octet-stream, which Engine.IO 3 has")

var errTooLarge = errors.New("polling payload above MaxPayload")

// readPost reads the body, for which a client has no longer than to answer a
// ping. The caller recycles it.
func (s *Session) readPost(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := s.engine.opts.MaxPayload
	if r.ContentLength > int64(limit) {
		return nil, errTooLarge
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(s.engine.opts.PingInterval + s.engine.opts.PingTimeout))
	body, err := s.readBody(r.Body, limit)
	if err != nil {
		return nil, err
	}
	// The answer may have to wait for handlers, longer than the site's timeouts.
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})
	return body, nil
}

func (s *Session) readBody(from io.Reader, limit int) (body []byte, err error) {
	buf := readBuffers.Get().(*readBuffer)
	defer readBuffers.Put(buf)
	var sent burst
	for {
		n, err := from.Read(buf.data[:])
		switch {
		case len(body)+n > limit:
			return nil, errTooLarge
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		body = assemble(body, buf.data[:n])
		if err != nil {
			return body, nil
		}
		sent.add(s, n)
	}
}

// Behind so many packets of a POST other goroutines have their turn, and behind so many
// portions of them the client rests, though not more often than mostRests in one POST.
const (
	postPortion  = 32
	restPortions = 16
	mostRests    = 16
)

// receivePayload handles the packets of a polling payload one after another.
// https://github.com/socketio/engine.io-protocol#http-long-polling-1
func (s *Session) receivePayload(payload []byte) error {
	s.inbound.Lock()
	defer s.inbound.Unlock()
	if !utf8.Valid(payload) {
		return errPacket
	}
	untilRest := max(restPortions, len(payload)/2/postPortion/mostRests) // a packet takes two bytes at least
	for n := 1; ; n++ {
		switch {
		case n%(untilRest*postPortion) == 0:
			time.Sleep(portionRest)
		case n%postPortion == 0:
			runtime.Gosched()
		}
		packet, rest, more := bytes.Cut(payload, []byte{separator})
		if err := s.receive(packet); err != nil {
			return err
		}
		if !more {
			return nil
		}
		payload = rest
	}
}
