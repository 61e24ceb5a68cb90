package mojo

import (
	"context"
	"iter"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// Sessions is a view of the sessions or users that are connected to the whole
// Server or to one Channel: browser sessions by session id (CurrentSessions) or
// users by user id (LoggedInSessions). It has the connections that a handler
// has accepted. The ids are from verified cookies or Options.Identify.
//
// With Options.Cluster it is about the connections of all processes. All, Has,
// Len and Online are answered from memory: what has changed on another process
// is there a moment later. Conns has the connections of this process.
//
// It is cheap to make and always live: each call looks up the connections of
// that moment. Its methods are safe for concurrent use. Get it from a Server or
// a Channel; the zero Sessions is empty.
type Sessions struct {
	view view
	kind command.Kind
}

// All iterates over the sessions that exist when the loop begins, in no order.
// It holds no lock: the body may emit to sessions and close them.
func (s Sessions) All() iter.Seq[Session] {
	return func(yield func(Session) bool) {
		for _, id := range s.view.ids(s.kind) {
			if !yield(s.Get(id)) {
				return
			}
		}
	}
}

// Get returns the session of this id. If it is not connected, it is empty:
// emitting to it reaches nobody.
func (s Sessions) Get(id string) Session { return Session{sessions: s, id: id} }

// Has reports whether any connection has this id.
func (s Sessions) Has(id string) bool { return s.Get(id).Len() > 0 }

// Len returns the number of sessions, not of connections.
func (s Sessions) Len() int { return s.view.count(s.kind) }

// Online returns which of the ids are online, in the order given: connected, or
// connected until less than Timeouts.PresenceGrace ago. Has reports whether one
// is connected at this moment.
func (s Sessions) Online(ids ...string) []string { return s.view.online(s.kind, ids) }

// Of addresses the sessions of these ids, each of their connections once. An
// event for several users is encoded once:
//
//	srv.LoggedInSessions().Of("ada", "bob").Emit("invited", room)
func (s Sessions) Of(ids ...string) Broadcast {
	keys := make([]command.Key, len(ids))
	for i, id := range ids {
		keys[i] = command.Key{Kind: s.kind, ID: id}
	}
	return Broadcast{view: s.view, selector: command.Selector{Requires: s.kind, Keys: keys}}
}

// Emit sends an event once to each connection of each session. It has the
// errors of Broadcast.Emit.
func (s Sessions) Emit(event string, args ...any) error { return s.all().Emit(event, args...) }

// EmitWithAck sends an event once to each connection of each session, and
// returns their answers, see Broadcast.EmitWithAck.
func (s Sessions) EmitWithAck(ctx context.Context, event string, args ...any) (*Answers, error) {
	return s.all().EmitWithAck(ctx, event, args...)
}

// To addresses the sessions' connections that are in any of the rooms. Rooms
// belong to a Channel: without one, Emit returns an error.
func (s Sessions) To(rooms ...string) Broadcast { return s.all().To(rooms...) }

// Except addresses the sessions' connections that are in none of the rooms.
// Rooms belong to a Channel: without one, Emit returns an error.
func (s Sessions) Except(rooms ...string) Broadcast { return s.all().Except(rooms...) }

// Without addresses the sessions' connections other than these.
func (s Sessions) Without(conns ...*Conn) Broadcast { return s.all().Without(conns...) }

// Volatile addresses the connections that are not behind, see
// Broadcast.Volatile.
func (s Sessions) Volatile() Broadcast { return s.all().Volatile() }

// Latest addresses all connections, with events that replace each other, see
// Broadcast.Latest.
func (s Sessions) Latest(key string) Broadcast { return s.all().Latest(key) }

// Local limits the view to the connections of this process.
func (s Sessions) Local() Sessions {
	s.view.local = true
	return s
}

func (s Sessions) all() Broadcast {
	return Broadcast{view: s.view, selector: command.Selector{Requires: s.kind}}
}

// Session is all live connections under one session id or user id, over all
// tabs and, unless it comes from a Channel, all apps. Like Sessions it is a
// live view, and its methods are safe for concurrent use. The zero Session has
// no connections.
type Session struct {
	sessions Sessions
	id       string
}

// ID returns the session id or user id.
func (s Session) ID() string { return s.id }

func (s Session) key() command.Key { return command.Key{Kind: s.sessions.kind, ID: s.id} }

func (s Session) all() Broadcast { return s.sessions.Of(s.id) }

// Conns iterates over the connections of this process that exist when the loop
// begins. It holds no lock: the body may do anything.
func (s Session) Conns() iter.Seq[*Conn] { return s.all().Conns() }

// Len returns the number of connections: one for each tab and app.
func (s Session) Len() int { return s.sessions.view.countUnder(s.key()) }

// Emit sends an event once to each connection. It has the errors of
// Broadcast.Emit. If there is no connection, it does nothing and returns nil.
func (s Session) Emit(event string, args ...any) error { return s.all().Emit(event, args...) }

// EmitWithAck sends an event once to each connection, and returns their answers,
// see Broadcast.EmitWithAck.
func (s Session) EmitWithAck(ctx context.Context, event string, args ...any) (*Answers, error) {
	return s.all().EmitWithAck(ctx, event, args...)
}

// Except addresses the session's connections that are in none of the rooms.
// Rooms belong to a Channel: without one, Emit returns an error.
func (s Session) Except(rooms ...string) Broadcast { return s.all().Except(rooms...) }

// Without addresses the session's connections other than these, for instance
// the other tabs of a user.
func (s Session) Without(conns ...*Conn) Broadcast { return s.all().Without(conns...) }

// Volatile addresses the connections that are not behind, see
// Broadcast.Volatile.
func (s Session) Volatile() Broadcast { return s.all().Volatile() }

// Latest addresses all connections, with events that replace each other, see
// Broadcast.Latest.
func (s Session) Latest(key string) Broadcast { return s.all().Latest(key) }

// Local limits the session to its connections of this process.
func (s Session) Local() Session {
	s.sessions.view.local = true
	return s
}

// Disconnect disconnects every connection, see Conn.Disconnect: the clients do
// not reconnect by themselves. It returns nil.
func (s Session) Disconnect() error { return s.all().Disconnect() }

// PresenceKind is the kind of id in a Presence: a user or a browser session.
// The zero value is UserPresence.
type PresenceKind uint8

// The kinds of Presence.
const (
	UserPresence    PresenceKind = iota // ID is a user id
	SessionPresence                     // ID is a session id
)

// Presence says that a user or session came online or went offline. It is
// online from its first accepted connection until Timeouts.PresenceGrace after
// the end of its last one, over all tabs and devices and, for
// Options.OnPresence, over all apps. With Options.Cluster it is over all
// processes too, and one of them is told, whichever it is. If that one dies
// before it was told, or just after, another one is told again.
type Presence struct {
	Kind   PresenceKind
	ID     string // of the user or session
	Online bool   // true: it came online; false: it went offline
}

func presenceOf(t presence.Transition) Presence {
	p := Presence{Kind: UserPresence, ID: t.Key.ID, Online: t.Online}
	if t.Key.Kind == command.Session {
		p.Kind = SessionPresence
	}
	return p
}

// presenceCallback returns Options.OnPresence for the Socket.IO layer, nil if
// it is not set.
func (s *Server) presenceCallback() func(presence.Transition) {
	tell := s.opts.OnPresence
	if tell == nil {
		return nil
	}
	return func(t presence.Transition) { tell(presenceOf(t)) }
}
