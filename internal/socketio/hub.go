package socketio

import (
	"errors"

	"github.com/mojosocket/mojo/internal/hub"
)

// Hub is who is connected, for questions. Commands whose effects have to be acted on
// are methods of the Server.
func (s *Server) Hub() *hub.Hub { return s.hub }

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
	if errors.Is(err, hub.ErrRemoved) {
		return ErrNotConnected
	}
	return err
}

// Leave takes the socket out of rooms.
func (s *Socket) Leave(rooms ...string) { s.namespace.server.hub.LeaveSeat(&s.seat, rooms) }

// Rooms returns the rooms the socket is in, sorted.
func (s *Socket) Rooms() []string { return s.namespace.server.hub.Rooms(&s.seat) }
