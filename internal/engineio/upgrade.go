package engineio

import (
	"errors"
	"net/http"
	"time"
)

// The upgrade from polling to a WebSocket. Until the client's upgrade packet the
// WebSocket only probes: polling carries all messages, in both directions, and
// goes on if the probe fails. The packet comes when the client has stopped
// polling, so from then on the WebSocket carries everything, the queue first.
// https://github.com/socketio/engine.io-protocol#upgrade

var errProbe = errors.New("a probing WebSocket sends 2probe and then 5")

// noopDelay is how long a poll is held that arrives while the probe is open, or
// with an identity that has changed.
const noopDelay = 100 * time.Millisecond

// upgrade answers a WebSocket handshake that names an existing session.
func (e *Engine) upgrade(w http.ResponseWriter, r *http.Request, s *Session, b64 bool) {
	if err := checkUpgrade(r); err != nil {
		e.warnUpgrade(r, err)
		refuse(w, r, http.StatusBadRequest, codeBadRequest, err.Error())
		return
	}
	conn, answer, early, err := takeOver(w, r, e.subprotocol(r), nil)
	if err != nil {
		e.answerHijack(w, r, err)
		return
	}
	l := newLink(s, conn, b64)
	l.control, l.writing = answer, true
	e.addLink(l)
	s.mu.Lock()
	if s.state != open || s.link != nil || s.probe != nil {
		l.beginClose(statusNormal)
	} else {
		s.probe = l
		l.giveUp = time.AfterFunc(e.opts.UpgradeTimeout, l.abandon)
	}
	s.mu.Unlock()
	l.flush(nil)
	l.beginReading(early)
}

// abandon closes a probing link whose client takes too long. One that carries the
// session by now stays.
func (l *link) abandon() {
	s := l.session
	s.mu.Lock()
	probes := s.probe == l
	if probes {
		s.probe = nil
	}
	s.mu.Unlock()
	if probes {
		l.close(statusNormal)
		s.forget()
	}
}

// cutUnlessAwaited is cut, but leaves a client that is about to switch to the link,
// and would not notice its end before that, a moment to do so.
func (l *link) cutUnlessAwaited() {
	s := l.session
	s.mu.Lock()
	awaited := s.probe == l && l.probed
	if awaited {
		l.giveUp.Stop()
		l.giveUp = time.AfterFunc(closeLinger, l.cut)
	}
	s.mu.Unlock()
	if !awaited {
		l.cut()
	}
}

// receiveProbe handles a text packet of a probing WebSocket.
func (l *link) receiveProbe(packet string) error {
	s := l.session
	s.mu.Lock()
	probed := l.probed
	switch {
	case packet == probePing && !probed:
		l.probed = true
		if s.poll != nil { // have the client stop polling at once
			s.poll.noop = true
			s.poll.signal()
		}
		s.mu.Unlock()
		l.sendControl(append(appendTextHeader(nil, len(probePong)), probePong...))
		return nil
	case packet == string(packetUpgrade) && probed:
		flush := l.takeSession()
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

// takeSession makes the probing link the one that carries the session, or what was
// left to say when it ended. It needs session.mu, and reports whether the caller has
// to flush.
func (l *link) takeSession() bool {
	s := l.session
	if s.probe != l {
		return false
	}
	l.giveUp.Stop()
	s.probe, s.link = nil, l
	if s.poll != nil {
		s.poll.refused = true
		s.poll.signal()
	}
	if s.state > open {
		s.stopLinger()
		s.state, s.farewell = closed, nil
		return l.beginClose(statusNormal)
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
