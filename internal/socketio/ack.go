package socketio

import (
	"context"
	"errors"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// reply is the answer of a client.
type reply struct {
	args    parser.Args
	payload parser.Payload // what args are made from
	err     error
}

// ErrAmbiguousAnswer is the error of an answer that cannot be decoded.
var ErrAmbiguousAnswer = errors.New("the client's answer holds data that reads as a placeholder for an attachment")

// acks are the answers that callers of EmitWithAck wait for. Socket.mu guards
// them.
type acks struct {
	waiting map[uint64]chan reply // each has room for one answer; closed when the socket ends
	asked   *asked                // a list: the broadcasts that wait for an answer
}

// firstBroadcastID is the first ack id of broadcasts. Those of single sockets are
// below. All fit into the 32-bit integers of socket.io-client-java and others.
const firstBroadcastID = 1 << 30

// countLocked returns how many answers are outstanding.
func (a *acks) countLocked() int {
	n := len(a.waiting)
	for e := a.asked; e != nil; e = e.next {
		n++
	}
	return n
}

// failLocked ends the waiting for answers. It returns the broadcasts that have
// to be told.
func (a *acks) failLocked() (told *asked) {
	for _, answer := range a.waiting {
		close(answer)
	}
	told = a.asked
	*a = acks{}
	return told
}

// resolve gives an answer to the caller that waits for it. It ignores any other
// answer, for instance one that is too late.
func (s *Socket) resolve(id uint64, r reply) {
	if id >= firstBroadcastID {
		s.resolveBroadcast(id, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer, ok := s.acks.waiting[id]; ok {
		delete(s.acks.waiting, id)
		answer <- r
	}
}

// EmitWithAck sends an event and waits for the client's answer. It returns
// ErrNotConnected when the socket is not connected, or ends meanwhile, and
// ctx's error when ctx ends first, at the latest after Options.AckTimeout if it
// has no deadline.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args []any) (parser.Args, error) {
	server := s.namespace.server
	if server.Closed() {
		return parser.Args{}, ErrServerClosed
	}
	if err := ctx.Err(); err != nil {
		return parser.Args{}, err
	}
	payload, err := parser.EncodeEvent(event, args)
	if err != nil {
		return parser.Args{}, err
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, server.opts.AckTimeout)
		defer cancel()
	}
	id, answer, err := s.registerAck()
	if err != nil {
		return parser.Args{}, err
	}
	defer s.removeAck(id)
	m := packetWithID(parser.Event, s.namespace.name, id, true, payload)
	if err := server.checkSize(m); err != nil {
		return parser.Args{}, err
	}
	s.observe(event, args)
	if err := s.send(m, command.Delivery{}); err != nil {
		return parser.Args{}, err
	}
	select {
	case got, ok := <-answer:
		if !ok {
			return parser.Args{}, ErrNotConnected
		}
		return got.args, got.err
	case <-ctx.Done():
		return parser.Args{}, ctx.Err()
	}
}

func (s *Socket) registerAck() (uint64, <-chan reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != connected {
		return 0, nil, ErrNotConnected
	}
	if s.acks.countLocked() >= s.namespace.server.opts.MaxAcks {
		return 0, nil, ErrTooManyAcks
	}
	if s.acks.waiting == nil {
		s.acks.waiting = make(map[uint64]chan reply)
	}
	// The id is unique for all sockets of the client, so that a late answer is
	// not mistaken for an answer to the socket that has replaced the old one.
	id := (s.client().lastAck.Add(1) - 1) % firstBroadcastID
	answer := make(chan reply, 1)
	s.acks.waiting[id] = answer
	return id, answer, nil
}

func (s *Socket) removeAck(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.acks.waiting, id)
}

// WantsAck reports whether the client waits for an answer.
func (e *Event) WantsAck() bool { return e.wantsAck }

// Ack answers the event, once. Without WantsAck it does nothing.
func (e *Event) Ack(args []any) error {
	if !e.wantsAck {
		return nil
	}
	s := e.Socket
	payload, err := parser.EncodeArgs(args)
	if err != nil {
		return err
	}
	m := packetWithID(parser.Ack, s.namespace.name, e.id, true, payload)
	if err := s.namespace.server.checkSize(m); err != nil {
		return err
	}
	s.mu.Lock()
	acked := e.acked
	e.acked = true
	s.mu.Unlock()
	if acked {
		return ErrAlreadyAcked
	}
	var b engineio.Batch
	defer b.Flush()
	return s.queue(m, command.Delivery{}, nil, &b)
}
