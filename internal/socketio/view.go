package socketio

import (
	"github.com/mojosocket/mojo/internal/hub"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// The values that this package speaks in.
type (
	Key        = command.Key
	Kind       = command.Kind
	Identity   = command.Identity
	Identified = command.Identified
	Transition = presence.Transition
)

// The kinds of keys.
const (
	Room    = command.Room
	Session = command.Session
	User    = command.User
)

// View is the index of one namespace or, if that is nil, of the whole server.
type View struct {
	Server    *Server
	Namespace *Namespace
}

// Name is the namespace of a Selector: empty for the whole server.
func (v View) Name() string {
	if v.Namespace != nil {
		return v.Namespace.name
	}
	return ""
}

// IDs returns the ids of a kind that are connected now.
func (v View) IDs(k Kind) []string { return v.Server.hub.IDs(v.Name(), k) }

// Count is the length of IDs.
func (v View) Count(k Kind) int { return v.Server.hub.Count(v.Name(), k) }

// CountUnder is the number of sockets under a key.
func (v View) CountUnder(k Key) int { return v.Server.hub.CountUnder(v.Name(), k) }

// Len is the number of sockets.
func (v View) Len() int { return v.Server.hub.Len(v.Name()) }

// Online returns which of these ids have a socket, or had one until less than
// Options.PresenceGrace ago.
func (v View) Online(k Kind, ids []string) []string { return v.Server.hub.Online(v.Name(), k, ids) }

// Socket returns the visible socket of this id in the namespace, or nil.
func (n *Namespace) Socket(id string) *Socket {
	if seat := n.server.hub.Seat(n.name, id); seat != nil {
		return socketOf(seat)
	}
	return nil
}

// socketOf returns the socket that a seat belongs to.
func socketOf(s *hub.Seat) *Socket { return s.Owner.(*Socket) }

// clientOf returns the client that a connection belongs to.
func clientOf(c *hub.Conn) *client { return c.Owner.(*client) }

// Join puts the socket into rooms; those it is in already stay. It returns
// ErrNotConnected after the end, and ErrRoomName or ErrTooManyRooms if it would
// leave the bounds; then it has joined none.
func (s *Socket) Join(rooms ...string) error {
	err := s.namespace.server.hub.JoinSeat(&s.seat, rooms)
	if err == hub.ErrRemoved {
		return ErrNotConnected
	}
	return err
}

// Leave takes the socket out of rooms.
func (s *Socket) Leave(rooms ...string) { s.namespace.server.hub.LeaveSeat(&s.seat, rooms) }

// Rooms returns the rooms the socket is in, sorted.
func (s *Socket) Rooms() []string { return s.namespace.server.hub.Rooms(&s.seat) }
