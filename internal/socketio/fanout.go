package socketio

import (
	"slices"

	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/parser"
)

// Target says for whom a message is: the sockets of a view that match it. It is a
// value; the methods that narrow or widen it return another.
type Target struct {
	View     View
	Keys     []Key // under any of them; nil: everyone
	Having   Kind  // Session or User: only sockets that have one; Room, the zero Kind: all
	Except   []Key // none of these
	Without  []*Socket
	Delivery Delivery
}

// Sockets returns the sockets that the target means now. The list must not be
// changed.
func (t *Target) Sockets() []*Socket {
	r := &t.View.Server.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	return t.sockets()
}

// receivers is Sockets with those that a message is held for until they have proven
// what they claim.
func (t *Target) receivers() []*Socket {
	r := &t.View.Server.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	found := t.sockets()
	if len(r.claims.byValue) == 0 || !t.isPersonal() {
		return found
	}
	return append(slices.Clip(found), r.claimants(t)...)
}

// sockets needs registry.mu.
func (t *Target) sockets() []*Socket {
	sc := t.View.scope()
	var found []*Socket
	switch {
	case t.Keys == nil:
		found = sc.everyone.snapshot()
	case len(t.Keys) == 1:
		found = sc.sockets(t.Keys[0])
	default:
		seen := make(map[*Socket]struct{})
		for _, k := range t.Keys {
			for _, s := range sc.sockets(k) {
				if _, dup := seen[s]; !dup {
					seen[s] = struct{}{}
					found = append(found, s)
				}
			}
		}
	}
	if t.Having == Room && len(t.Except) == 0 && len(t.Without) == 0 {
		return found
	}
	return t.filter(found)
}

// filter needs registry.mu.
func (t *Target) filter(found []*Socket) []*Socket {
	kept := make([]*Socket, 0, len(found))
	for _, s := range found {
		if (t.Having == Room || s.client.standing.Load().key(t.Having) != "") && !t.excepts(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// excepts needs registry.mu.
func (t *Target) excepts(s *Socket) bool {
	return slices.ContainsFunc(t.Except, s.under) || slices.Contains(t.Without, s)
}

// under reports whether the socket is to be found under a key. It needs
// registry.mu.
func (s *Socket) under(k Key) bool {
	if k.Kind == Room {
		_, in := s.rooms[k.ID]
		return in
	}
	return s.client.standing.Load().key(k.Kind) == k.ID
}

// isPersonal reports whether t is for people. Whom an app reaches by rooms or as
// everybody does not depend on who they are.
func (t *Target) isPersonal() bool {
	return t.Having != Room || slices.ContainsFunc(t.Keys, func(k Key) bool { return k.Kind != Room })
}

// clone returns a copy to be kept.
func (t *Target) clone() *Target {
	kept := *t
	return &kept
}

// means reports whether t, which found a socket a moment ago, is for a socket of
// this identity.
func (t *Target) means(id Identity) bool {
	if t.Having != Room && id.key(t.Having) == "" {
		return false
	}
	for _, k := range t.Keys {
		if k.Kind == Room || id.key(k.Kind) == k.ID {
			return true
		}
	}
	return len(t.Keys) == 0
}

// Emit sends an event to a target. This is the one place where a message becomes
// messages: it is encoded once, framed once for each namespace, and the same bytes
// go to every socket. An error means that nobody got anything.
func (t *Target) Emit(event string, args []any) error {
	server := t.View.Server
	if server.Closed() {
		return ErrServerClosed
	}
	payload, err := parser.EncodeEvent(event, args)
	if err != nil {
		return err
	}
	sockets := t.receivers()
	messages, err := server.frame(payload, t.View.Namespace, sockets)
	if err != nil {
		return err
	}
	if messages.observed() { // user code, which must not run while others wait to be flushed
		for _, s := range sockets {
			s.observe(event, args)
		}
	}
	var b engineio.Batch
	defer b.Flush()
	for some := range slices.Chunk(sockets, prefetched) {
		for _, s := range some {
			s.session.Prefetch()
		}
		for _, s := range some {
			// A socket that ends meanwhile is no error.
			_ = s.queue(messages.of(s.namespace), t.Delivery, t, &b)
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

// observed reports whether anybody wants to see the event.
func (f framed) observed() bool {
	for i := range f {
		if n := f[i].namespace; n != nil && n.watchers.Emits != nil {
			return true
		}
	}
	return false
}

// frame makes the message of n or, if that is nil, of each socket's namespace.
// With no socket there it makes one all the same, for the sake of its size.
func (s *Server) frame(p parser.Payload, n *Namespace, sockets []*Socket) (framed, error) {
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
	case len(sockets) == 0:
		err := add(nil, "/")
		return f, err
	}
	for _, socket := range sockets {
		if n := socket.namespace; f.of(n) == nil {
			if err := add(n, n.name); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}
