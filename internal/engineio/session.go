package engineio

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/timingwheel"
)

type sessionState uint8

const (
	sessionOpening sessionState = iota // Options.Open has not returned
	sessionOpen
	sessionClosing // the handler knows the end; a poll takes the last packet, or may come for it
	sessionClosed
)

// Session is one Engine.IO session: a client, over whichever transport it uses
// at the moment. Its methods are safe for concurrent use and never block.
//
// The order of the fields is part of the performance, see TestSessionsAreSmall:
// those that every message needs share one cache line, which begins at engine.
// In a fan-out to many clients, no line of a Session is in the cache.
type Session struct {
	id        string
	heartbeat timingwheel.Entry[Session] // guarded by the wheel

	// inbound is held while the packets of one POST, or of one read from a
	// WebSocket, are handled. So Handler.Message is never called twice at a
	// time.
	inbound sync.Mutex
	turn    *loopTurn // of the event loop that handles them; guarded by inbound

	probe *link // a WebSocket that may take over; guarded by mu

	engine *Engine
	mu     sync.Mutex
	sessionMu

	held  atomic.Int64          // bytes that wait for handlers
	stall atomic.Pointer[stall] // nil while the client is read; written with mu held
}

// sessionMu has the fields of a session that its mu guards. It also guards
// probe, and the write side of the links.
type sessionMu struct {
	state        sessionState
	overflowed   bool   // a message did not fit, and the session is about to be closed
	closedCalled bool   // Handler.Closed has returned
	posting      bool   // a POST is being handled
	lastWaits    bool   // lastPacket may wait until the client has handled the queued messages
	pinging      bool   // the next poll is answered with a ping, ahead of the queue
	renewals     uint8  // the number of calls of RenewPoll, modulo 256
	link         *link  // the WebSocket, nil while polling
	queued       int32  // bytes that are queued, being written or reserved
	progressAt   uint32 // when the client last took some of them, see Engine.moment; 0 while they do not count in the total
	queue        outQueue

	poll       *poller     // the GET that waits
	lastPacket *Message    // the packet for the next poll while closing
	timer      *time.Timer // ends the state closing
	handler    Handler
	reason     Reason

	pingDue time.Duration // when the next ping is sent
	pongDue time.Duration // when the pong must have come; 0 if none is awaited
	lapseAt time.Duration // when Handler.Lapsed is to be called; 0 for never
}

// ID returns the "sid" of the session: 130 random bits as text. It is a secret,
// because a client that knows it can use the session.
func (s *Session) ID() string { return s.id }

// Transport returns the transport that the session uses now.
func (s *Session) Transport() Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		return WebSocket
	}
	return Polling
}

func (s *Session) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == sessionOpen
}

var errEnded = errors.New("ended while it was opened")

// start opens the session with its handler. If it was closed meanwhile, the
// error is ErrClosed after Engine.Shutdown, and errEnded otherwise.
func (s *Session) start(h Handler) error {
	s.mu.Lock()
	s.handler = h
	if s.state != sessionOpening {
		reason := s.reason
		s.mu.Unlock()
		h.Closed(reason)
		if reason == ServerShutdown {
			return ErrClosed
		}
		return errEnded
	}
	s.state = sessionOpen
	s.pingDue = s.engine.now() + s.engine.opts.PingInterval
	s.scheduleLocked()
	s.mu.Unlock()
	return nil
}

// pass is what a request may do, as of the moment at which the handler was
// asked.
type pass struct {
	admission Admission
	renewals  uint8 // of the session
}

// newPass returns the pass of the request that has opened the session.
func (s *Session) newPass() pass {
	s.mu.Lock()
	defer s.mu.Unlock()
	return pass{Admitted, s.renewals}
}

// admits asks the handler what a request may do.
func (s *Session) admits(r *http.Request) pass {
	s.mu.Lock()
	p := pass{Refused, s.renewals}
	h := s.handler
	s.mu.Unlock()
	if h != nil {
		p.admission = h.Admits(r)
	}
	return p
}
