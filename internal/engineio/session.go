package engineio

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

type state uint8

const (
	opening state = iota // Options.Open has not returned
	open
	leaving // over for the handler; a poll is about to take the farewell, or may come for it
	closed
)

// How long a client may take to fetch or answer a farewell: a server's close, and
// the noop that the client's own close packet gets.
const (
	closeLinger = time.Second
	leaveLinger = 100 * time.Millisecond
)

// Session is one Engine.IO session: a client, over whichever transport it uses at
// the moment. Its methods are safe for concurrent use and never block.
type Session struct {
	id    string
	entry wheelEntry // the next heartbeat; guarded by the wheel

	// inbound is held while the packets of one POST or of one read from a WebSocket
	// are handled, so that Handler.Message is never called twice at a time.
	inbound sync.Mutex
	turn    *loopTurn // of the event loop that handles them; guarded by inbound

	probe *link // a WebSocket that wants to take over; guarded by mu

	// What every message needs stands together, on one line of the processor's cache:
	// of many clients in turn, none is there yet.
	engine     *Engine
	mu         sync.Mutex // guards what follows, and the write side of the links
	state      state
	overflowed bool   // a message did not fit, and the session is about to be closed
	told       bool   // Handler.Closed has returned
	posting    bool   // a POST is being handled
	unhurried  bool   // the farewell may wait until the client has handled what is queued
	pinging    bool   // the next poll is answered with a ping, ahead of the queue
	renewals   uint8  // calls of RenewPoll, for a comparison soon after
	link       *link  // the WebSocket, nil while polling
	queued     int32  // bytes in queue, on their way into the socket, and reserved
	since      uint32 // when the client last took something of what waits, see Engine.moment; 0 while queued does not count in the total
	queue      outQueue

	poll     *poller  // the GET that waits
	farewell *Message // what the next poll gets while leaving
	linger   *time.Timer
	handler  Handler
	reason   Reason

	held   int           // bytes that wait for handlers
	resume chan struct{} // non-nil while reading has stopped; closed to go on

	pingDue time.Duration // when the next ping goes out
	pongDue time.Duration // when the pong must be here; 0 if none is awaited
	lapses  time.Duration // when Handler.Lapsed is to be called; 0 if never
}

// ID returns the "sid" of the session: 130 random bits as text. It is a secret,
// because whoever knows it can use the session.
func (s *Session) ID() string { return s.id }

// Transport is the transport in use now.
func (s *Session) Transport() Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		return WebSocket
	}
	return Polling
}

var errEnded = errors.New("ended while it was opened")

// start makes the session live with its handler, unless it was closed meanwhile:
// then the error is ErrClosed if that was by Shutdown, and errEnded otherwise.
func (s *Session) start(h Handler) error {
	s.mu.Lock()
	s.handler = h
	if s.state != opening {
		reason := s.reason
		s.mu.Unlock()
		h.Closed(reason)
		if reason == ServerShutdown {
			return ErrClosed
		}
		return errEnded
	}
	s.state = open
	s.pingDue = s.engine.now() + s.engine.opts.PingInterval
	s.schedule()
	s.mu.Unlock()
	return nil
}

// pass is what a request may do, as of the moment it was asked about.
type pass struct {
	admission Admission
	renewals  uint8 // of the session
}

// newPass is for the request that has opened the session.
func (s *Session) newPass() pass {
	s.mu.Lock()
	defer s.mu.Unlock()
	return pass{Admitted, s.renewals}
}

// admits tells whether r comes from the client that opened the session.
func (s *Session) admits(r *http.Request) pass {
	p := s.newPass()
	s.mu.Lock()
	h := s.handler
	s.mu.Unlock()
	p.admission = Refused
	if h != nil {
		p.admission = h.Admits(r)
	}
	return p
}

// Close ends the session by closing its transport, so that the client knows at
// once and comes back by itself. What was queued before still goes out.
func (s *Session) Close(reason Reason) { s.end(reason, gracefully, statusNormal) }

// manner says how a session ends.
type manner uint8

const (
	gracefully manner = iota // the queue goes out first, and the client is told
	byClient                 // the client's own close packet
	byAnswer                 // the answer to a request of the client tells it
	abruptly                 // the client is told if that takes no waiting
	brokenly                 // the transport is gone or of no use
)

// end takes the session out of its open state; only the first call does anything.
func (s *Session) end(reason Reason, how manner, status uint16) {
	s.mu.Lock()
	if s.state > open {
		s.mu.Unlock()
		return
	}
	handler := s.handler
	s.state, s.reason = closed, reason
	if s.resume != nil {
		close(s.resume)
		s.resume = nil
	}
	dropped := 0
	if how == brokenly {
		dropped = s.dropQueueLocked()
	}
	probe, current := s.probe, s.link
	if probe != nil && probe.probed && how != byClient {
		// The client may have stopped polling, and would ignore that a WebSocket closes
		// which it has not switched to yet. So this one is closed behind the upgrade packet.
		probe = nil
	} else {
		s.probe = nil
	}
	write := false
	switch {
	case current == nil:
		s.sayFarewell(how)
	case how != brokenly:
		write = current.beginClose(status)
	}
	s.mu.Unlock()

	s.engine.account(-dropped)
	s.engine.beats.remove(s)
	s.engine.counters.close(reason)
	if handler != nil { // otherwise start tells it
		handler.Closed(reason)
		s.mu.Lock()
		s.told = true
		s.mu.Unlock()
	}
	s.forget()
	if probe != nil {
		probe.close(statusNormal)
	}
	switch {
	case write:
		current.flush(nil)
	case current != nil && how == brokenly:
		current.cut()
	}
}

// sayFarewell prepares the last answer to a polling client: to the poll that
// waits, or else to one that comes in time. It needs s.mu.
func (s *Session) sayFarewell(how manner) {
	last, linger := closeMessage, closeLinger
	switch how {
	case byClient:
		last, linger = noopMessage, leaveLinger
	case abruptly, brokenly:
		linger = 0
	}
	switch {
	case how == byAnswer && s.handler != nil:
		// That answer comes first. A poll that is answered sooner would be all that the
		// client hears.
		last = lateCloseMessage
		s.stopLinger()
		s.linger = time.AfterFunc(leaveLinger, s.answerLate)
	case s.poll != nil: // until it is answered
		s.poll.signal()
	case linger > 0 && s.handler != nil:
		s.lingerFor(linger)
	default:
		return
	}
	s.state, s.farewell, s.unhurried = leaving, last, how == gracefully
}

// answerLate has the poll that waits get the end which another request was answered
// with a moment ago.
func (s *Session) answerLate() {
	s.mu.Lock()
	if s.farewell == lateCloseMessage {
		s.farewell = closeMessage
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

// awaitPoll gives the client time to fetch the farewell, if it has not yet.
func (s *Session) awaitPoll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.farewell != nil && s.poll == nil {
		s.lingerFor(closeLinger)
	}
}

// lingerFor says how much longer the farewell may take. It needs s.mu.
func (s *Session) lingerFor(d time.Duration) {
	s.stopLinger()
	s.linger = time.AfterFunc(d, s.stopWaiting)
}

// stopLinger needs s.mu.
func (s *Session) stopLinger() {
	if s.linger != nil {
		s.linger.Stop()
	}
}

// stopWaiting ends the wait for a poll that fetches the farewell. A WebSocket that the
// client is about to switch to stays until the client has done so, or
// Options.UpgradeTimeout has passed.
func (s *Session) stopWaiting() {
	s.mu.Lock()
	s.stopLinger()
	if s.state == leaving {
		s.state, s.farewell = closed, nil
	}
	s.mu.Unlock()
	s.forget()
}

// left is stopWaiting for a client that knows of the end, or has gone. A WebSocket
// that would have taken over is not needed any more.
func (s *Session) left() {
	s.mu.Lock()
	var probe *link
	if s.state > open {
		probe, s.probe = s.probe, nil
	}
	s.mu.Unlock()
	if probe != nil {
		probe.close(statusNormal)
	}
	s.stopWaiting()
}

// forget takes the session out of the engine's table when nothing of it is left to
// wait for. The queue goes with it, unless a WebSocket still takes that or will.
func (s *Session) forget() {
	s.mu.Lock()
	gone := s.state == closed && s.told
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

// Hold adds n bytes to what waits for handlers. Above Options.MaxInbound nothing
// more is read from the client until Release has brought it down again.
func (s *Session) Hold(n int) {
	s.mu.Lock()
	s.held += n
	s.mu.Unlock()
}

// Release takes back what Hold added.
func (s *Session) Release(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held -= n
	if s.resume == nil || s.held > s.engine.opts.MaxInbound/2 {
		return
	}
	close(s.resume)
	s.resume = nil
	s.extendPong()
}

// awaitRoom returns when what waits for handlers is below the bound again, or the
// session is over. A stall that outlasts a whole heartbeat ends the session.
func (s *Session) awaitRoom() {
	s.mu.Lock()
	if s.held <= s.engine.opts.MaxInbound || s.state != open {
		s.mu.Unlock()
		return
	}
	resume := make(chan struct{})
	s.resume = resume
	l := s.link
	s.mu.Unlock()
	s.turn.leave()
	if l != nil {
		l.uncork()
	}
	patience := s.engine.opts.PingInterval + s.engine.opts.PingTimeout
	timer := time.AfterFunc(patience, func() {
		s.engine.opts.Warn.Warn("stall", "mojo: closed a connection whose handlers did not catch up",
			"help", "Options.Limits.MaxInbound is what may wait for them; a handler should not block")
		s.Close(HandlerStall)
	})
	<-resume
	timer.Stop()
}
