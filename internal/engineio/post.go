package engineio

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mojosocket/mojo/internal/engineio/buffer"
	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// servePost handles the packets of a POST, in order, and then answers it.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	ended, upgraded, overlaps := s.state != sessionOpen, s.link != nil, s.posting
	if !ended && !upgraded {
		s.posting = true
	}
	s.mu.Unlock()
	status, reason := http.StatusBadRequest, Reason("")
	switch {
	case ended:
		refuse(w, r, status, codeUnknownSID, textUnknownSID)
		return
	case upgraded:
	case overlaps:
		reason = TransportError
	default:
		status, reason = s.takePost(w, r)
	}
	if reason != "" {
		s.end(reason, endByAnswer, websocket.StatusNormal)
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
	// If writing fails, the client has disconnected. It does not poll again, so
	// the error is ignored.
	_ = reply(w, status, textPlain, []byte("ok"), writeLimits{idle: s.engine.opts.PingTimeout})
}

// takePost reads and handles the payload. It returns the status of the answer.
// If the session has to end, it also returns the reason.
func (s *Session) takePost(w http.ResponseWriter, r *http.Request) (status int, reason Reason) {
	defer func() {
		s.mu.Lock()
		s.posting = false
		s.mu.Unlock()
	}()
	binary := !isText(r.Header["Content-Type"])
	if binary && s.revision != codec.Revision3 {
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
	err = s.receivePayload(payload, binary)
	buffer.Recycle(payload)
	switch {
	case errors.Is(err, errClientClose):
		s.end(TransportClose, endByClient, websocket.StatusNormal)
	case err != nil:
		s.engine.logProtocolError(s, err)
		return http.StatusBadRequest, ParseError
	}
	return http.StatusOK, ""
}

// isText reports whether a payload of this Content-Type is text, as it is always
// with revision 4. Clients and proxies send all kinds of types; only
// application/octet-stream, with or without parameters, alone or in a list,
// says that the payload is binary.
func isText(contentType []string) bool {
	for _, line := range contentType {
		for part := range strings.SplitSeq(line, ",") {
			mediaType, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(mediaType), octetStream) {
				return false
			}
		}
	}
	return true
}

var (
	errBinaryPost = errors.New("polling payload of Content-Type application/octet-stream, which Engine.IO 3 has")
	errTooLarge   = errors.New("polling payload above MaxPayload")
)

// readPost reads the body. The client has PingInterval and PingTimeout to send
// it. The caller must recycle the body.
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
	// The answer may wait for handlers, longer than the site's timeouts.
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Time{})
	return body, nil
}

func (s *Session) readBody(r io.Reader, limit int) (body []byte, err error) {
	buf := readBuffers.Get().(*readBuffer)
	defer readBuffers.Put(buf)
	var pace pacer
	for {
		n, err := r.Read(buf.data[:])
		switch {
		case len(body)+n > limit:
			return nil, errTooLarge
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		}
		s.heard()
		body = buffer.Append(body, buf.data[:n])
		if err != nil {
			return body, nil
		}
		pace.add(s, n)
	}
}

// After each portion of postPortion packets of a POST, the reader yields to
// other goroutines. After portionsPerPause portions, or more in a long POST, it
// pauses, but at most maxPauses times in one POST.
const (
	postPortion      = 32
	portionsPerPause = 16
	maxPauses        = 16
)

// receivePayload handles the packets of a polling payload, one after another.
// https://github.com/socketio/engine.io-protocol#http-long-polling-1
func (s *Session) receivePayload(payload []byte, binary bool) error {
	s.inbound.Lock()
	defer s.inbound.Unlock()
	if !binary && !utf8.Valid(payload) {
		return codec.ErrPacket
	}
	perPause := max(portionsPerPause, len(payload)/2/postPortion/maxPauses) // a packet has at least two bytes
	for n := 1; ; n++ {
		switch {
		case n%(perPause*postPortion) == 0:
			time.Sleep(portionPause)
		case n%postPortion == 0:
			runtime.Gosched()
		}
		rest, more, err := s.receiveFirst(payload, binary)
		if err != nil || !more {
			return err
		}
		payload = rest
	}
}

// receiveFirst handles the first packet of a payload, and reports whether there
// are more. s.inbound must be held.
func (s *Session) receiveFirst(payload []byte, binary bool) (rest []byte, more bool, err error) {
	var packet []byte
	isBinary := false
	switch {
	case s.revision != codec.Revision3:
		packet, rest, more = bytes.Cut(payload, []byte{codec.Separator})
		return rest, more, s.receive(packet, s.isOpen())
	case binary:
		packet, isBinary, rest, err = codec.CutBinary3(payload)
	default:
		packet, rest, err = codec.CutText3(payload)
	}
	switch {
	case err != nil:
	case isBinary:
		err = s.receiveBinary(packet, s.isOpen())
	default:
		err = s.receive(packet, s.isOpen())
	}
	return rest, len(rest) > 0, err
}
