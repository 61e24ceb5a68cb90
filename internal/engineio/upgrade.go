package engineio

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// The upgrade from polling to a WebSocket. Until the client sends the upgrade
// packet, the WebSocket only probes: polling carries all messages, in both
// directions, and goes on if the probe fails. The client sends the upgrade
// packet when it has stopped polling. From then on the WebSocket carries
// everything, first the queued messages.
// https://github.com/socketio/engine.io-protocol#upgrade

var (
	errProbe       = errors.New("a probing WebSocket sends 2probe and then 5")
	errNotHijacked = errors.New("the ResponseWriter cannot be hijacked")
)

// noopDelay is the time after which a poll is answered with a noop, if it
// arrives during a probe, or with an identity that has changed.
const noopDelay = 100 * time.Millisecond

// takeOver hijacks the connection of a request that websocket.CheckHandshake
// has accepted. It returns the answer, which the caller has to write, and the
// bytes that the client sent behind its request. After an error the caller can
// still answer by HTTP.
func (e *Engine) takeOver(
	w http.ResponseWriter, r *http.Request, header http.Header,
) (conn net.Conn, answer, early []byte, err error) {
	subprotocol := e.subprotocol(r)
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, nil, errNotHijacked
	}
	if n := rw.Reader.Buffered(); n > 0 {
		peeked, _ := rw.Reader.Peek(n)
		early = bytes.Clone(peeked)
	}
	return conn, websocket.Answer(r, subprotocol, header), early, nil
}

// subprotocol returns the subprotocol for the answer to a handshake, or "" for
// none.
func (e *Engine) subprotocol(r *http.Request) string {
	if len(r.Header["Sec-Websocket-Protocol"]) == 0 {
		return ""
	}
	offered := websocket.Subprotocols(r)
	switch {
	case len(offered) == 0:
		return ""
	case e.opts.Subprotocol == nil:
		return offered[0]
	}
	chosen := e.opts.Subprotocol(r, slices.Clone(offered))
	if chosen != "" && !slices.Contains(offered, chosen) {
		e.warnSubprotocol(chosen)
		return ""
	}
	return chosen
}

// serveWebSocket takes over the connection of the handshake that has opened a
// session. The header is added to the answer.
func (e *Engine) serveWebSocket(w http.ResponseWriter, r *http.Request, s *Session, base64 bool, header http.Header) {
	conn, answer, early, err := e.takeOver(w, r, header)
	if err != nil {
		s.end(TransportError, endBroken, websocket.StatusNormal)
		e.answerHijack(w, r, err)
		return
	}
	l := newLink(s, conn, answer, base64)
	e.addLink(l)
	s.mu.Lock()
	l.carrySessionLocked()
	if s.state > sessionOpen {
		l.carryLastMessagesLocked(websocket.StatusGoingAway)
	}
	s.mu.Unlock()
	l.flush(nil)
	s.callOpened()
	// This function returns at once, so that the HTTP server's buffers and the
	// stack of this goroutine are freed.
	l.beginReading(early)
}

// upgrade answers a WebSocket handshake that names an existing session.
func (e *Engine) upgrade(w http.ResponseWriter, r *http.Request, s *Session, base64 bool) {
	if err := websocket.CheckHandshake(r); err != nil {
		e.warnUpgrade(r, err)
		refuse(w, r, http.StatusBadRequest, codeBadRequest, err.Error())
		return
	}
	conn, answer, early, err := e.takeOver(w, r, nil)
	if err != nil {
		e.answerHijack(w, r, err)
		return
	}
	l := newLink(s, conn, answer, base64)
	e.addLink(l)
	s.mu.Lock()
	if s.state != sessionOpen || s.link != nil || s.probe != nil {
		l.beginCloseLocked(websocket.StatusNormal)
	} else {
		s.probe = l
		l.setTimerLocked(e.opts.UpgradeTimeout, l.endProbe)
	}
	s.mu.Unlock()
	l.flush(nil)
	l.beginReading(early)
}

// endProbe closes a link that still probes after Options.UpgradeTimeout. If the
// link carries the session by then, endProbe does nothing.
func (l *link) endProbe() {
	s := l.session
	s.mu.Lock()
	probes := s.probe == l
	if probes {
		s.probe = nil
	}
	s.mu.Unlock()
	if probes {
		l.close(websocket.StatusNormal)
		s.forget()
	}
}

// killUnlessUpgrading kills a link, unless its client is about to send the
// upgrade packet. Such a client does not notice the end of the link before it
// has sent the packet, so the link is killed after closeLinger.
func (l *link) killUnlessUpgrading() {
	s := l.session
	s.mu.Lock()
	upgrading := s.probe == l && l.probed
	if upgrading {
		l.setTimerLocked(closeLinger, l.kill)
	}
	s.mu.Unlock()
	if !upgrading {
		l.kill()
	}
}

// receiveProbe handles a message on a link that does not carry the session.
func (l *link) receiveProbe(binary bool, p []byte) error {
	s := l.session
	s.mu.Lock()
	packet, probed := string(p), l.probed
	switch {
	case s.probe != l: // the link is being closed
		s.mu.Unlock()
		return nil
	case !binary && packet == codec.ProbePing && !probed:
		l.probed = true
		if s.poll != nil { // the client cannot upgrade before this poll is answered
			s.poll.noop = true
			s.poll.signal()
		}
		s.mu.Unlock()
		l.sendControl(probePong.Frames())
		return nil
	case !binary && packet == string(codec.TypeUpgrade) && probed:
		flush := l.takeSessionLocked()
		s.mu.Unlock()
		if flush {
			l.flush(nil)
		}
		s.forget()
		return nil
	}
	s.mu.Unlock()
	return errProbe
}

// carrySessionLocked makes a link carry the session. session.mu must be held.
func (l *link) carrySessionLocked() {
	l.session.link = l
	l.setReadingLocked(readMessages)
}

// carryLastMessagesLocked makes a link send the last messages of a session that
// has ended, and close. A client that is closed without the open packet of its
// handshake would not notice, and wait for it. If carryLastMessagesLocked
// returns true, the caller has the claim to write and must call flush.
// session.mu must be held.
func (l *link) carryLastMessagesLocked(status uint16) (flush bool) {
	s := l.session
	s.stopTimerLocked()
	s.state, s.lastPacket = sessionClosed, nil
	return l.beginCloseLocked(status)
}

// takeSessionLocked makes the probing link carry the session. If the session
// has ended, the link carries its last messages. If takeSessionLocked returns
// true, the caller has the claim to write and must call flush. session.mu must
// be held.
func (l *link) takeSessionLocked() (flush bool) {
	s := l.session
	if s.probe != l {
		return false
	}
	l.stopTimerLocked()
	s.probe = nil
	l.carrySessionLocked()
	if s.poll != nil {
		s.poll.refused = true
		s.poll.signal()
	}
	if s.state > sessionOpen {
		return l.carryLastMessagesLocked(websocket.StatusNormal)
	}
	if s.pinging {
		s.pinging = false
		l.queuePingLocked()
	}
	if l.writing || s.queue.len() == 0 && len(l.control) == 0 {
		return false
	}
	l.writing = true
	return true
}
