package socketio

import (
	"slices"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/parser"
)

// Sockets returns the sockets that a selector matches now.
func (s *Server) Sockets(sel command.Selector) []*Socket {
	seats := s.hub.Select(&sel)
	sockets := make([]*Socket, len(seats))
	for i, seat := range seats {
		sockets[i] = socketOf(seat)
	}
	return sockets
}

// Emit sends an event to the sockets that a selector matches, on all nodes
// unless local is set. The event is encoded once and framed once for each
// namespace, and the same bytes go to every socket. If there is an error other
// than cluster.ErrDown, nothing was sent. With that, nothing was sent to other
// nodes.
func (s *Server) Emit(sel command.Selector, d command.Delivery, local bool, event string, args []any) error {
	if s.Closed() {
		return ErrServerClosed
	}
	payload, err := parser.EncodeEvent(event, args)
	if err != nil {
		return err
	}
	cmd := command.Emit{Selector: sel, JSON: payload.JSON, Attachments: payload.Attachments, Delivery: d}
	if err := s.emit(&cmd, func(socket *Socket) { socket.observe(event, args) }); err != nil || local || s.node == nil {
		return err
	}
	return s.node.Emit(&cmd)
}

// emit applies a command to the sockets of this process. Their observers are
// called before anything is queued.
func (s *Server) emit(cmd *command.Emit, observe func(*Socket)) error {
	if rooms, people, mixed := divide(cmd); mixed {
		if err := s.emit(rooms, observe); err != nil {
			return err
		}
		return s.emit(people, observe)
	}
	seats := s.hub.Receivers(&cmd.Selector)
	messages, err := s.frame(cmd, seats, 0)
	if err != nil {
		return err
	}
	if messages.observed() { // user code, which must not run while messages wait to be flushed
		for _, seat := range seats {
			observe(socketOf(seat))
		}
	}
	var recipient *command.Selector // nil: the receivers do not depend on their identity
	if cmd.IsPersonal() {
		recipient = &cmd.Selector
	}
	var b engineio.Batch
	defer b.Flush()
	for some := range slices.Chunk(seats, prefetched) {
		for _, seat := range some {
			socketOf(seat).session.Prefetch()
		}
		for _, seat := range some {
			socket := socketOf(seat)
			// A socket that ends meanwhile is no error.
			_ = socket.queue(messages.messageFor(socket.namespace), cmd.Delivery, recipient, &b)
		}
	}
	return nil
}

// divide divides a command for rooms together with sessions or users into two,
// which have no receivers in common. So it is known of each receiver whether its
// identity matters, see Socket.queue.
func divide(cmd *command.Emit) (rooms, people *command.Emit, mixed bool) {
	isRoom := func(k command.Key) bool { return k.Kind == command.Room }
	if !slices.ContainsFunc(cmd.Keys, isRoom) || !slices.ContainsFunc(cmd.Keys, func(k command.Key) bool { return !isRoom(k) }) {
		return nil, nil, false
	}
	r, p := *cmd, *cmd
	r.Keys, p.Keys, p.IDs = nil, nil, nil
	for _, k := range cmd.Keys {
		if isRoom(k) {
			r.Keys = append(r.Keys, k)
		} else {
			p.Keys = append(p.Keys, k)
		}
	}
	p.Except, p.ExceptIDs = slices.Concat(cmd.Except, r.Keys), slices.Concat(cmd.ExceptIDs, cmd.IDs)
	return &r, &p, true
}

// prefetched is the number of sessions that are fetched into the processor's
// cache at a time: about as many loads as a processor has under way at once.
const prefetched = 16

// Disconnect disconnects the sockets that a command selects, on all nodes
// unless local is set.
func (s *Server) Disconnect(cmd command.Disconnect, local bool) error {
	s.disconnect(&cmd)
	if local || s.node == nil {
		return nil
	}
	return s.node.Disconnect(&cmd)
}

func (s *Server) disconnect(cmd *command.Disconnect) []*Socket {
	sockets := s.Sockets(cmd.Selector)
	for _, socket := range sockets {
		_ = socket.Disconnect() // a socket that ends meanwhile is disconnected
	}
	return sockets
}

// framed is an encoded event as the message of each namespace that it goes to.
type framed []struct {
	namespace *Namespace
	message   *engineio.Message
}

func (f framed) messageFor(n *Namespace) *engineio.Message {
	for i := range f {
		if f[i].namespace == n {
			return f[i].message
		}
	}
	return nil
}

// observed reports whether an app has an Observer for the event.
func (f framed) observed() bool {
	for i := range f {
		if n := f[i].namespace; n != nil && n.watchers.Emits != nil {
			return true
		}
	}
	return false
}

// frame makes a message for the selector's namespace or, if that is empty, for
// the namespace of each seat. Without seats it makes one too, to check its
// size. The ack id is 0 for an event that is not to be answered.
func (s *Server) frame(cmd *command.Emit, seats []*hub.Seat, ackID uint64) (framed, error) {
	payload := parser.Payload{JSON: cmd.JSON, Attachments: cmd.Attachments}
	var f framed
	add := func(n *Namespace, name string) error {
		m := packetWithID(parser.Event, name, ackID, ackID != 0, payload)
		f = append(f, struct {
			namespace *Namespace
			message   *engineio.Message
		}{n, m})
		return s.checkSize(m)
	}
	switch {
	case cmd.Namespace != "":
		err := add(s.namespace([]byte(cmd.Namespace)), cmd.Namespace)
		return f, err
	case len(seats) == 0:
		err := add(nil, "/")
		return f, err
	}
	for _, seat := range seats {
		if n := socketOf(seat).namespace; f.messageFor(n) == nil {
			if err := add(n, n.name); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}
