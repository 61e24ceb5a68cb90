package socketio

import (
	"maps"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// App handles the sockets of one namespace. The calls for one socket never
// overlap: Connect, then Event in order, then Disconnect if Connect returned
// nil. Calls for different sockets may run at the same time.
type App interface {
	Connect(s *Socket, auth []byte) *Refusal // auth is JSON, nil if the client sent none
	Event(e *Event)
	Disconnect(s *Socket, reason Reason)
}

// Observer is called for each event that is sent, before it is queued. Several
// goroutines may call it at the same time.
type Observer interface {
	Emitted(s *Socket, event string, args []any)
}

// IdentityWatcher is called after the identity of a socket has changed, between
// the calls of its App. If it returns a refusal, the socket is disconnected.
type IdentityWatcher interface {
	Changed(s *Socket, from, to command.Identified) *Refusal
}

// PresenceWatcher is called for the transitions in its namespace, for one at a
// time.
type PresenceWatcher interface {
	Presence(t presence.Transition)
}

// Refusal is the answer to a CONNECT that is refused.
type Refusal struct {
	Message string
	Data    any // left out if nil
}

// Namespace is a Socket.IO namespace: one of the channels that share a
// connection. It is immutable and safe for concurrent use.
type Namespace struct {
	server       *Server
	name         string
	app          App
	watchers     Watchers
	hubNamespace *hub.Namespace
}

// Watchers are the optional callbacks of an app. Each may be nil.
type Watchers struct {
	Emits    Observer
	Identity IdentityWatcher
	Presence PresenceWatcher
}

// NewNamespace returns a namespace that is not mounted. The name begins with a
// slash.
func (s *Server) NewNamespace(name string, app App, w Watchers) *Namespace {
	watched := w.Presence != nil
	if watched && s.node != nil {
		s.node.Watch(name)
	}
	return &Namespace{server: s, name: name, app: app, watchers: w, hubNamespace: s.hub.Namespace(name, watched && s.node == nil)}
}

// Mount lets clients connect to n. It reports false if the name is taken.
func (s *Server) Mount(n *Namespace) bool {
	for {
		mounted := s.namespaces.Load()
		if _, taken := (*mounted)[n.name]; taken {
			return false
		}
		next := maps.Clone(*mounted)
		if next == nil {
			next = make(map[string]*Namespace)
		}
		next[n.name] = n
		if s.namespaces.CompareAndSwap(mounted, &next) {
			if s.node != nil {
				s.node.Mount(n.name)
			}
			return true
		}
	}
}

func (s *Server) namespace(name []byte) *Namespace {
	mounted := *s.namespaces.Load()
	if len(name) == 0 {
		return mounted["/"]
	}
	return mounted[string(name)]
}

// Socket returns the visible socket of this id in the namespace, or nil.
func (n *Namespace) Socket(id string) *Socket {
	if seat := n.server.hub.Seat(n.name, id); seat != nil {
		return socketOf(seat)
	}
	return nil
}
