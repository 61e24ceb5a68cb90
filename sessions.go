package mojo

import (
	"iter"

	"github.com/mojosocket/mojo/internal/socketio"
)

// Sessions is a view of who is connected, over the whole Server or one Channel:
// browser sessions by session id (CurrentSessions) or users by user id
// (LoggedInSessions). It is cheap to make and always live: each call answers for
// the moment it is made in. Only connections that their handler has accepted
// count, and only under ids from verified cookies. The methods are safe for
// concurrent use. Get it from a Server or Channel; the zero value is of no use.
type Sessions struct {
	server *Server
	view   socketio.View
	kind   socketio.Kind
}

// All walks the sessions there are when the walk begins, in no order. It holds no
// lock: the loop's body may emit to sessions and close them.
func (s Sessions) All() iter.Seq[Session] {
	return func(yield func(Session) bool) {
		for _, id := range s.view.IDs(s.kind) {
			if !yield(s.Get(id)) {
				return
			}
		}
	}
}

// Get returns the session of this id. One that is not connected is empty: emitting
// to it reaches nobody.
func (s Sessions) Get(id string) Session { return Session{sessions: s, id: id} }

// Has reports whether anybody is connected under this id.
func (s Sessions) Has(id string) bool { return s.Get(id).Len() > 0 }

// Len is the number of sessions, not of connections.
func (s Sessions) Len() int { return s.view.Count(s.kind) }

// Emit sends an event once to each connection of each session. It has the errors
// of Broadcast.Emit.
func (s Sessions) Emit(event string, args ...any) error {
	t := socketio.Target{View: s.view, Having: s.kind}
	return edge(t.Emit(event, args))
}

// Session is all live connections under one session id or user id, over all tabs
// and, unless it comes from a Channel, all apps. Like Sessions it is a live view,
// and safe for concurrent use.
type Session struct {
	sessions Sessions
	id       string
}

// ID is the session id or user id.
func (s Session) ID() string { return s.id }

func (s Session) key() socketio.Key { return socketio.Key{Kind: s.sessions.kind, ID: s.id} }

// sockets are the connections there are now; of the zero Session, none.
func (s Session) sockets() []*socketio.Socket {
	if s.sessions.view.Server == nil {
		return nil
	}
	return s.sessions.view.Sockets(s.key())
}

// Conns walks the connections there are when the walk begins. It holds no lock.
func (s Session) Conns() iter.Seq[*Conn] { return conns(s.sockets) }

// Len is the number of connections: one for each tab and app.
func (s Session) Len() int {
	if s.sessions.view.Server == nil {
		return 0
	}
	return s.sessions.view.CountUnder(s.key())
}

// Emit sends an event once to each connection. It has the errors of
// Broadcast.Emit; that nobody is connected is none.
func (s Session) Emit(event string, args ...any) error {
	if s.sessions.view.Server == nil {
		return nil
	}
	t := socketio.Target{View: s.sessions.view, Keys: []socketio.Key{s.key()}}
	return edge(t.Emit(event, args))
}

// EmitLatest sends an event that replaces what was sent to these connections under
// the same key and has not left yet, see Conn.EmitLatest.
func (s Session) EmitLatest(key, event string, args ...any) error {
	if s.sessions.view.Server == nil {
		return nil
	}
	t := socketio.Target{
		View: s.sessions.view, Keys: []socketio.Key{s.key()}, Delivery: socketio.Delivery{Latest: true, Key: key},
	}
	return edge(t.Emit(event, args))
}

// Disconnect disconnects every connection, see Conn.Disconnect: the clients do not
// come back by themselves. It returns nil.
func (s Session) Disconnect() error {
	for c := range s.Conns() {
		_ = c.Disconnect() // one that ends meanwhile is disconnected
	}
	return nil
}
