package engineio

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

// poller is a GET that waits. Its fields but wake are guarded by Session.mu.
type poller struct {
	wake    chan struct{} // has room for one
	noop    bool          // the client should come back at once
	refused bool          // a WebSocket has taken over
}

// signal wakes the poll, or lets it not fall asleep.
func (p *poller) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// servePoll answers a poll with what waits for the client, as soon as anything
// does.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	// The site's timeouts are not meant for a request that waits on purpose.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})

	p := &poller{wake: make(chan struct{}, 1)}
	var nudge <-chan time.Time
	s.mu.Lock()
	duplicate := s.poll != nil
	if !duplicate {
		s.poll = p
		if s.probe != nil && s.probe.probed {
			t := time.NewTimer(noopDelay)
			defer t.Stop()
			nudge = t.C
		}
	}
	s.mu.Unlock()
	if duplicate {
		s.end(TransportError, abruptly, statusNormal)
		refuse(w, http.StatusBadRequest, codeBadRequest, textBadRequest)
		return
	}
	for {
		payload, answer := s.takePoll(p)
		switch answer {
		case pollPayload:
			s.writePoll(w, rc, payload)
			return
		case pollUnknown:
			refuse(w, http.StatusBadRequest, codeUnknownSID, textUnknownSID)
			return
		case pollRefused:
			refuse(w, http.StatusBadRequest, codeBadRequest, textBadRequest)
			return
		}
		select {
		case <-p.wake:
		case <-nudge:
			s.mu.Lock()
			p.noop = true
			s.mu.Unlock()
		case <-r.Context().Done():
			s.mu.Lock()
			s.poll = nil
			s.mu.Unlock()
			s.end(TransportError, brokenly, statusNormal)
			return
		}
	}
}

type pollAnswer uint8

const (
	pollWait    pollAnswer = iota
	pollPayload            // 200
	pollRefused            // 400: the session does not poll any more
	pollUnknown            // 400: there is no such session any more
)

// takePoll returns what there is to say to a poll. Unless that is to wait, the
// poll is over for the session.
func (s *Session) takePoll(p *poller) ([]byte, pollAnswer) {
	payload, answer, forget := s.takePollLocked(p)
	if forget {
		s.engine.forget(s)
	}
	return payload, answer
}

func (s *Session) takePollLocked(p *poller) (payload []byte, answer pollAnswer, forget bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil || p.refused {
		s.poll = nil
		return nil, pollRefused, false
	}
	payload = s.takePayload()
	if s.farewell != nil {
		payload = appendPacket(payload, s.farewell)
		s.farewell = nil
		forget = s.state == leaving
		s.state = closed
		if s.linger != nil {
			s.linger.Stop()
		}
	}
	switch {
	case payload != nil:
		answer = pollPayload
	case s.state > open:
		answer = pollUnknown
	case p.noop:
		payload, answer = appendPacket(nil, noopMessage), pollPayload
	default:
		return nil, pollWait, false
	}
	s.poll = nil
	return payload, answer, forget
}

// takePayload takes the whole queue as one payload, nil if it is empty. It needs
// s.mu.
func (s *Session) takePayload() []byte {
	var payload []byte
	for s.queue.len() > 0 {
		m := s.queue.pop()
		s.queued -= m.Size()
		payload = appendPacket(payload, m)
	}
	return payload
}

func appendPacket(payload []byte, m *Message) []byte {
	if payload != nil {
		payload = append(payload, separator)
	}
	return m.appendPayload(payload)
}

// writePoll sends the answer within a write deadline of its own.
func (s *Session) writePoll(w http.ResponseWriter, rc *http.ResponseController, payload []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(payload)))
	_ = rc.SetWriteDeadline(time.Now().Add(s.engine.opts.PingTimeout))
	_, err := w.Write(payload)
	if err == nil {
		if err = rc.Flush(); errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
	}
	if err != nil { // what was in the answer is lost
		s.end(TransportError, brokenly, statusNormal)
		return
	}
	// A deadline that is left would hold for later requests on this connection.
	_ = rc.SetWriteDeadline(time.Time{})
}

// servePost takes the packets of a POST, in order, and answers when all of them
// have been handed on.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	overlap, over := s.posting, s.state != open || s.link != nil
	if !overlap && !over {
		s.posting = true
	}
	s.mu.Unlock()
	switch {
	case over:
		refuse(w, http.StatusBadRequest, codeBadRequest, textBadRequest)
		return
	case overlap:
		s.end(TransportError, abruptly, statusNormal)
		refuse(w, http.StatusBadRequest, codeBadRequest, textBadRequest)
		return
	}
	status := s.takePost(w, r)
	s.mu.Lock()
	s.posting = false
	s.mu.Unlock()
	if status != http.StatusOK {
		refuse(w, status, codeBadRequest, textBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "ok") // a client that is gone will not poll again
}

// takePost reads and handles the payload, and returns the status to answer with.
func (s *Session) takePost(w http.ResponseWriter, r *http.Request) int {
	if !isText(r.Header.Get("Content-Type")) {
		s.end(ParseError, abruptly, statusNormal)
		return http.StatusBadRequest
	}
	payload, err := s.readPost(w, r)
	switch {
	case errors.Is(err, errTooLarge):
		s.end(ParseError, abruptly, statusNormal)
		w.Header().Set("Connection", "close") // rather than read on to use it again
		return http.StatusRequestEntityTooLarge
	case err != nil:
		s.end(TransportError, abruptly, statusNormal)
		return http.StatusBadRequest
	}
	s.inbound.Lock()
	err = s.receivePayload(payload)
	s.inbound.Unlock()
	switch {
	case errors.Is(err, errClientClose):
		s.end(TransportClose, byClient, statusNormal)
	case err != nil:
		s.engine.logProtocolError(s, err)
		s.end(ParseError, abruptly, statusNormal)
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// isText reports whether a payload of this Content-Type is one of revision 4,
// which is always text. An absent type is taken for text, as a scripted POST
// often has none.
func isText(contentType string) bool {
	if contentType == "" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType != "application/octet-stream"
}

var errTooLarge = errors.New("polling payload above MaxPayload")

// readPost reads the body, for which a client has no longer than to answer a
// ping.
func (s *Session) readPost(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := int64(s.engine.opts.MaxPayload)
	if r.ContentLength > limit {
		return nil, errTooLarge
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(s.engine.opts.PingInterval + s.engine.opts.PingTimeout))
	var body bytes.Buffer
	if r.ContentLength > 0 {
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	n, err := body.ReadFrom(io.LimitReader(r.Body, limit+1))
	switch {
	case err != nil:
		return nil, err
	case n > limit:
		return nil, errTooLarge
	}
	// The answer may have to wait for handlers, longer than the site's timeouts.
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})
	return body.Bytes(), nil
}

// receivePayload handles the packets of a polling payload one after another.
// https://github.com/socketio/engine.io-protocol#http-long-polling-1
func (s *Session) receivePayload(payload []byte) error {
	if !utf8.Valid(payload) {
		return errPacket
	}
	for {
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
