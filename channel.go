package mojo

import (
	"context"
	"iter"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/socketio"
)

// Channel is one app on a Server: a Socket.IO namespace with its connections
// and their rooms. With Options.Cluster, Emit and what addresses connections
// reaches those of all processes; Len, Conns and Conn are about this process.
// Its methods are safe for concurrent use. Server.Register and Server.Handle
// make it, and it stays mounted as long as the Server; the zero Channel is
// empty.
type Channel struct {
	server    *Server
	app       string
	name      string
	handler   SocketHandler
	namespace *socketio.Namespace
}

// App returns the name under which the app was registered, "" for
// Server.Handle.
func (ch *Channel) App() string { return ch.app }

// Namespace returns the namespace that clients connect to, for instance
// "/ChatSocket".
func (ch *Channel) Namespace() string { return ch.name }

func (ch *Channel) view() view {
	if ch.server == nil {
		return view{}
	}
	return view{server: ch.server, channel: ch}
}

func (ch *Channel) all() Broadcast { return Broadcast{view: ch.view()} }

// Len returns the number of connections of this process.
func (ch *Channel) Len() int { return ch.view().len() }

// Conns iterates over the connections of this process that exist when the loop
// begins. It holds no lock: the body may do anything.
func (ch *Channel) Conns() iter.Seq[*Conn] { return ch.all().Conns() }

// Rooms iterates over the rooms of this process in which connections are, each
// with their number, in no order. It looks the names up when the loop begins and
// each number when its turn comes, and holds no lock: the body may do anything.
func (ch *Channel) Rooms() iter.Seq2[string, int] {
	return func(yield func(room string, conns int) bool) {
		if ch.server == nil {
			return
		}
		hub := ch.server.sio.Hub()
		for _, room := range hub.IDs(ch.name, command.Room) {
			n := hub.CountUnder(ch.name, command.Key{Kind: command.Room, ID: room})
			if n > 0 && !yield(room, n) {
				return
			}
		}
	}
}

// Conn returns the live connection of this process with this id, see Conn.ID.
func (ch *Channel) Conn(id string) (*Conn, bool) {
	if ch.server == nil {
		return nil, false
	}
	s := ch.namespace.Socket(id)
	if s == nil {
		return nil, false
	}
	return connOf(s), true
}

// CurrentSessions returns the browser sessions that are connected to this app.
func (ch *Channel) CurrentSessions() Sessions { return Sessions{ch.view(), command.Session} }

// LoggedInSessions returns the users who are connected to this app.
func (ch *Channel) LoggedInSessions() Sessions { return Sessions{ch.view(), command.User} }

// Emit sends an event to every connection of the app. It never blocks. It has
// the errors of Broadcast.Emit.
func (ch *Channel) Emit(event string, args ...any) error { return ch.all().Emit(event, args...) }

// EmitWithAck sends an event to every connection of the app, and returns their
// answers, see Broadcast.EmitWithAck.
func (ch *Channel) EmitWithAck(ctx context.Context, event string, args ...any) (*Answers, error) {
	return ch.all().EmitWithAck(ctx, event, args...)
}

// To addresses everybody in any of the rooms.
func (ch *Channel) To(rooms ...string) Broadcast { return ch.all().To(rooms...) }

// Except addresses everybody who is in none of the rooms.
func (ch *Channel) Except(rooms ...string) Broadcast { return ch.all().Except(rooms...) }

// Without addresses every connection other than these.
func (ch *Channel) Without(conns ...*Conn) Broadcast { return ch.all().Without(conns...) }

// Volatile addresses everybody who is not behind, see Broadcast.Volatile.
func (ch *Channel) Volatile() Broadcast { return ch.all().Volatile() }

// Latest addresses everybody, with events that replace each other, see
// Broadcast.Latest.
func (ch *Channel) Latest(key string) Broadcast { return ch.all().Latest(key) }

// Local addresses the connections of this process, see Broadcast.Local.
func (ch *Channel) Local() Broadcast { return ch.all().Local() }
