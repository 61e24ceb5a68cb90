package socketio

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/parser"
)

// Socket is one client on one namespace. Its methods are safe for concurrent
// use.
type Socket struct {
	// Data is for the App, which sets it in Connect and only reads it later.
	Data any

	// A broadcast reads the fields from the Owner of the seat to the state.
	// They are on one line of the processor's cache, see engineio.Session.
	seat      hub.Seat          // changed by package hub alone
	namespace *Namespace        // never changes
	session   *engineio.Session // of the client; never changes
	mu        sync.Mutex
	socketByMu
}

// socketByMu is guarded by Socket.mu.
type socketByMu struct {
	state         socketState
	disconnecting bool   // Disconnect was called before the socket was connected
	ignoresEvents bool   // the socket is not accepted, was disconnected by the server, or its handler panicked
	version       int32  // of the binding that Connect saw
	held          []held // messages that were sent while pending, or to the claimed identity
	heldBytes     int    // bytes of held
	mailbox       mailbox
	acks          acks
	reason        Reason
	life          *life // nil until Context is called
}

// life is the Context of a socket.
type life struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// newSocket returns the socket of a client on a namespace. It is pending.
func newSocket(c *client, n *Namespace) *Socket {
	s := &Socket{namespace: n, session: c.session}
	s.seat = hub.NewSeat(&c.conn, n.hubNamespace, rand.Text(), s)
	s.ignoresEvents = true
	return s
}

func (s *Socket) client() *client { return clientOf(s.seat.Conn()) }

type socketState uint8

const (
	pending socketState = iota
	connected
	ended
)

// socketOf returns the socket that a seat belongs to.
func socketOf(s *hub.Seat) *Socket { return s.Owner.(*Socket) }

// ID is the id of the socket, which the client knows, too. It is public, unlike
// the sid of the engine, and random, so that nobody can guess the id of another
// socket.
func (s *Socket) ID() string { return s.seat.ID() }

// Handshake is the result of Options.KeepHandshake.
func (s *Socket) Handshake() any { return s.client().handshake }

// Transport is the transport in use now.
func (s *Socket) Transport() engineio.Transport { return s.session.Transport() }

// Connected reports whether the App has accepted the socket and it has not
// ended.
func (s *Socket) Connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == connected
}

// Ended reports whether the socket has ended, or was refused.
func (s *Socket) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == ended
}

// Context ends with the socket. It is made on first use.
func (s *Socket) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil {
		s.life = new(life)
		s.life.ctx, s.life.cancel = context.WithCancel(context.Background())
		if s.state == ended {
			s.life.cancel()
		}
	}
	return s.life.ctx
}

// Emit queues an event. It returns ErrQueueFull if the event does not fit into
// the client's queue, which ends the connection, ErrNotConnected after the end,
// and ErrServerClosed after Shutdown.
func (s *Socket) Emit(event string, args []any, d command.Delivery) error {
	server := s.namespace.server
	if server.Closed() {
		return ErrServerClosed
	}
	if s.Ended() {
		return ErrNotConnected
	}
	payload, err := parser.EncodeEvent(event, args)
	if err != nil {
		return err
	}
	m := packet(parser.Event, s.namespace.name, payload)
	if err := server.checkSize(m); err != nil {
		return err
	}
	s.observe(event, args)
	return s.send(m, d)
}

func (s *Socket) observe(event string, args []any) {
	if w := s.namespace.watchers.Emits; w != nil {
		s.guard("OnEmit", func() { w.Emitted(s, event, args) })
	}
}

func (s *Socket) send(m *engineio.Message, d command.Delivery) error {
	var b engineio.Batch
	err := s.queue(m, d, nil, &b)
	b.Flush()
	if errors.Is(err, engineio.ErrBehind) {
		return nil
	}
	return err
}

// queue queues m for the client, or holds it while the socket is pending: the
// answer to the CONNECT goes first. It holds mu, so that nothing is queued for
// a socket after end has returned.
//
// A message to a session or user is compared with the identity that the socket
// has now: a change of identity waits for mu before it is complete. A message
// to an identity that the socket claims is held until the claim is proven. `to`
// is nil for a message that does not depend on the identity. The error is
// errNotAddressed for another identity, and engineio.ErrBehind for a volatile
// message that is skipped.
func (s *Socket) queue(m *engineio.Message, d command.Delivery, to *command.Selector, b *engineio.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var recipient *command.Selector
	if to != nil {
		binding := s.seat.Conn().Binding()
		switch {
		case to.Matches(binding.Identity):
			if s.state == connected && len(s.held) > 0 { // the message goes behind these
				recipient = to.Clone()
			}
		case binding.Claim != nil && to.Matches(binding.Claim.To.Identity):
			recipient = to.Clone()
		default:
			return errNotAddressed
		}
	}
	switch {
	case s.state == connected && recipient == nil:
		return socketError(s.queueLocked(m, d, b))
	case s.state != ended:
		if d.Volatile {
			return engineio.ErrBehind
		}
		return socketError(s.holdLocked(held{m, d, recipient}, b))
	}
	return ErrNotConnected
}

// queueLocked queues m for the session.
func (s *Socket) queueLocked(m *engineio.Message, d command.Delivery, b *engineio.Batch) error {
	return s.session.Queue(m, engineio.Delivery{Volatile: d.Volatile, Latest: d.Latest, Key: d.Key, Owner: s.namespace}, b)
}

// socketError returns the error of a Socket for an error of its session.
func socketError(err error) error {
	if errors.Is(err, engineio.ErrClosed) {
		return ErrNotConnected
	}
	return err
}

// accept makes the socket visible to selectors, and then connected. It reports
// false if the socket has ended meanwhile.
func (s *Socket) accept() bool {
	s.mu.Lock()
	disconnecting := s.disconnecting
	s.mu.Unlock()
	if !disconnecting {
		server := s.namespace.server
		server.doPresenceWork(server.hub.Show(&s.seat))
	}
	greeting := greeting(s)
	var b engineio.Batch
	defer b.Flush()
	s.mu.Lock()
	if s.state != pending {
		s.mu.Unlock()
		return false
	}
	s.state, s.ignoresEvents = connected, s.disconnecting
	_ = s.session.Queue(greeting, engineio.Delivery{}, &b)
	s.releaseLocked(nil, &b)
	first := s.queueClaimLocked(&b)
	s.mu.Unlock()
	if first {
		s.client().watchExpiry()
	}
	return true
}

// refuse answers the CONNECT with an error and ends the socket.
func (s *Socket) refuse(r *Refusal) {
	s.namespace.server.counters.refused.Add(1)
	answer := s.namespace.server.refusal(s.namespace.name, r, isEIO3(s.session))
	var b engineio.Batch
	defer b.Flush()
	s.finish(ClientDisconnect, func(socketState) { _ = s.session.Queue(answer, engineio.Delivery{}, &b) })
}

// end removes the socket from every index and calls App.Disconnect. Only the
// first call does anything.
func (s *Socket) end(reason Reason) { s.finish(reason, nil) }

// finish is end, and calls last when nothing else can be queued any more.
func (s *Socket) finish(reason Reason, last func(was socketState)) {
	s.mu.Lock()
	if s.state == ended {
		s.mu.Unlock()
		return
	}
	was := s.state
	s.state, s.reason = ended, reason
	s.dropHeldLocked()
	told := s.acks.failLocked()
	if s.life != nil {
		s.life.cancel()
	}
	if last != nil {
		last(was)
	}
	s.mu.Unlock()
	told.tell(answers.Ended)
	server := s.namespace.server
	server.doPresenceWork(server.hub.Remove(&s.seat))
	s.client().removeSocket(s)
	if was == connected { // for a pending one doConnect does it, if Connect returns nil
		s.push(task{kind: taskDisconnect, size: lifecycleCost})
	}
}

// CloseAll disconnects the client from all its namespaces, so that it does not
// reconnect by itself, and closes its connection. It returns ErrNotConnected if
// that has ended.
func (s *Socket) CloseAll() error {
	ended := s.Ended()
	for _, other := range s.client().liveSockets() {
		_ = other.Disconnect()
	}
	s.session.Close(ServerDisconnect)
	if ended {
		return ErrNotConnected
	}
	return nil
}

// Disconnect disconnects the client from the namespace; it does not reconnect
// by itself. The other namespaces stay connected. A call in Connect takes
// effect when Connect has returned nil.
func (s *Socket) Disconnect() error {
	s.mu.Lock()
	s.ignoresEvents = true
	switch s.state {
	case pending:
		s.disconnecting = true
		s.mu.Unlock()
		return nil
	case ended:
		s.mu.Unlock()
		return ErrNotConnected
	}
	s.mu.Unlock()
	var b engineio.Batch
	defer b.Flush()
	s.finish(ServerDisconnect, func(socketState) {
		_ = s.session.Queue(packet(parser.Disconnect, s.namespace.name, parser.Payload{}), engineio.Delivery{}, &b)
	})
	return nil
}
