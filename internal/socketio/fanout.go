package socketio

import (
	"slices"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/parser"
)

// Target says which sockets a message is for. It is a value.
type Target struct {
	View     View
	Keys     []Key // sockets under any of them; nil: all
	Having   Kind  // Session or User: only sockets that have one; Room, the zero Kind: all
	Except   []Key // none of these
	Without  []*Socket
	Delivery Delivery
}

func (t *Target) selector() command.Selector {
	sel := command.Selector{Namespace: t.View.Name(), Keys: t.Keys, Having: t.Having, Except: t.Except}
	for _, s := range t.Without {
		sel.ExceptIDs = append(sel.ExceptIDs, s.ID())
	}
	return sel
}

// Sockets returns the sockets that the target means now.
func (t *Target) Sockets() []*Socket {
	sel := t.selector()
	seats := t.View.Server.hub.Select(&sel)
	sockets := make([]*Socket, len(seats))
	for i, seat := range seats {
		sockets[i] = socketOf(seat)
	}
	return sockets
}

// Sockets returns the sockets under a key, as of now.
func (v View) Sockets(k Key) []*Socket {
	t := Target{View: v, Keys: []Key{k}}
	return t.Sockets()
}

// Everyone returns all visible sockets, as of now.
func (v View) Everyone() []*Socket {
	t := Target{View: v}
	return t.Sockets()
}

// Emit sends an event to a target. It is encoded once, framed once for each
// namespace, and the same bytes go to every socket. An error means that nothing was
// sent to anybody.
func (t *Target) Emit(event string, args []any) error {
	server := t.View.Server
	if server.Closed() {
		return ErrServerClosed
	}
	payload, err := parser.EncodeEvent(event, args)
	if err != nil {
		return err
	}
	sel := t.selector()
	seats := server.hub.Receivers(&sel)
	messages, err := server.frame(payload, t.View.Namespace, seats)
	if err != nil {
		return err
	}
	if messages.observed() { // user code, which must not run while others wait to be flushed
		for _, seat := range seats {
			socketOf(seat).observe(event, args)
		}
	}
	var person *command.Selector // nil: who the message is for does not depend on who they are
	if sel.IsPersonal() {
		person = &sel
	}
	var b engineio.Batch
	defer b.Flush()
	for some := range slices.Chunk(seats, prefetched) {
		for _, seat := range some {
			socketOf(seat).session.Prefetch()
		}
		for _, seat := range some {
			s := socketOf(seat)
			// A socket that ends meanwhile is no error.
			_ = s.queue(messages.of(s.namespace), t.Delivery, person, &b)
		}
	}
	return nil
}

// prefetched is how many sessions are fetched at a time, about as many as a processor
// waits for at once.
const prefetched = 16

// framed is an encoded event as the message of each namespace it goes to.
type framed []struct {
	namespace *Namespace
	message   *engineio.Message
}

func (f framed) of(n *Namespace) *engineio.Message {
	for i := range f {
		if f[i].namespace == n {
			return f[i].message
		}
	}
	return nil
}

// observed reports whether an app wants to see the event.
func (f framed) observed() bool {
	for i := range f {
		if n := f[i].namespace; n != nil && n.watchers.Emits != nil {
			return true
		}
	}
	return false
}

// frame makes the message of n or, if that is nil, of each seat's namespace. Without
// a seat it makes one all the same, to check its size.
func (s *Server) frame(p parser.Payload, n *Namespace, seats []*hub.Seat) (framed, error) {
	var f framed
	add := func(n *Namespace, name string) error {
		m := packet(parser.Event, name, p)
		f = append(f, struct {
			namespace *Namespace
			message   *engineio.Message
		}{n, m})
		return s.checkSize(m)
	}
	switch {
	case n != nil:
		err := add(n, n.name)
		return f, err
	case len(seats) == 0:
		err := add(nil, "/")
		return f, err
	}
	for _, seat := range seats {
		if n := socketOf(seat).namespace; f.of(n) == nil {
			if err := add(n, n.name); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}
