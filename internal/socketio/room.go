package socketio

import (
	"errors"

	"github.com/mojosocket/mojo/internal/hub"
)

// Join puts the socket into rooms. It keeps the rooms that the socket is
// already in. It returns ErrNotConnected after the end, and ErrRoomName or
// ErrTooManyRooms if a limit is exceeded. After an error it has joined none.
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
