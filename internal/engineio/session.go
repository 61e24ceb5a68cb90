package engineio

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/engineio/timingwheel"
)

type sessionState uint8

const (
	sessionOpening sessionState = iota // Options.Open has not returned
	sessionOpen
	sessionClosing // Handler.Closed was called; a poll may still fetch the last packet
	sessionClosed
)

// Session is one Engine.IO session: a client, over the transport that it uses
// at the moment. Its methods are safe for concurrent use and never block.
//
// The order of the fields affects the performance, see TestSessionLayout: the
// fields that every message needs share one cache line, which begins at engine.
// In a fan-out to many clients, no line of a Session is in the cache.
type Session struct {
	id        string                     // does not change
	heartbeat timingwheel.Entry[Session] // guarded by the timing wheel

	// inbound is held while the packets of one POST, or of one read from a
	// WebSocket, are handled. So calls of Handler.Message never overlap.
	inbound sync.Mutex
	turn    *loopTurn // of the event loop that handles these packets, or nil; guarded by inbound

	probe *link // the WebSocket of an upgrade that is not complete; guarded by mu

	engine *Engine // does not change
	mu     sync.Mutex
	sessionMu

	held  atomic.Int64          // bytes of messages that wait for handlers, see Hold
	stall atomic.Pointer[stall] // nil while the server reads from the client; written with mu held
}

// sessionMu has the fields of a session that its mu guards. The mutex also
// guards probe, and linkSessionMu of each link.
type sessionMu struct {
	state           sessionState
	overflowed      bool           // a message did not fit, and the session is about to be closed
	closedCalled    bool           // Handler.Closed has returned
	posting         bool           // a POST is being read or handled
	lastPacketAlone bool           // lastPacket does not share a payload with messages
	pinging         bool           // a heartbeat, see Session.heartbeatMessage, goes ahead of the queue: in the next poll, or among the control frames of link
	renewals        uint8          // the number of calls of RenewPoll, modulo 256
	revision        codec.Revision // does not change
	link            *link          // the WebSocket, nil while polling
	queued          int32          // bytes that are queued, being written or reserved
	progressAt      uint32         // when the client last took some of the queued bytes, see Engine.nowMillis; 0 while they do not count in the total
	queue           outQueue

	poll       *poller     // the poll that is waiting, or nil
	lastPacket *Message    // while closing: the packet for the next poll
	timer      *time.Timer // ends the state sessionClosing
	handler    Handler
	reason     Reason

	pingDue time.Duration // when the next ping is sent; with revision 3 never
	pongDue time.Duration // the latest time for the pong, 0 if no ping is unanswered; with revision 3 for any byte of the client
	lapseAt time.Duration // when Handler.Lapsed is called; 0 for never
}

// ID returns the "sid" of the session: 130 random bits as text. It is a secret,
// because a client that knows it can use the session.
func (s *Session) ID() string { return s.id }

// Revision returns the revision of the protocol that the client speaks.
func (s *Session) Revision() codec.Revision { return s.revision }

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

var errEnded = errors.New("session ended while it was opened")

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
	s.beginHeartbeatLocked()
	s.mu.Unlock()
	return nil
}

// callOpened calls Handler.Opened, and forgets a session that has ended. It is
// not inlined, to keep the stack of handshake small.
//
//go:noinline
func (s *Session) callOpened() {
	s.mu.Lock()
	h := s.handler
	s.mu.Unlock()
	h.Opened()
	s.forget()
}

// permission is the answer of Handler.Admits to a request, and the time of the
// answer.
type permission struct {
	admission Admission
	renewals  uint8 // sessionMu.renewals at that time
}

// initialPermission returns the permission of the request that has opened the
// session.
func (s *Session) initialPermission() permission {
	s.mu.Lock()
	defer s.mu.Unlock()
	return permission{Admitted, s.renewals}
}

// admits calls Handler.Admits for a request.
func (s *Session) admits(r *http.Request) permission {
	s.mu.Lock()
	p := permission{Refused, s.renewals}
	h := s.handler
	s.mu.Unlock()
	if h != nil {
		p.admission = h.Admits(r)
	}
	return p
}
