package socketio

import (
	"errors"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// Join puts the socket into rooms. It keeps the rooms that the socket is
// already in. It returns ErrNotConnected after the end, and ErrRoomName or
// ErrTooManyRooms if a limit is exceeded. After an error it has joined none.
func (s *Socket) Join(rooms ...string) error {
	server := s.namespace.server
	err := server.hub.JoinSeat(&s.seat, rooms)
	server.takeChanges()
	if errors.Is(err, hub.ErrRemoved) {
		return ErrNotConnected
	}
	return err
}

// Leave takes the socket out of rooms.
func (s *Socket) Leave(rooms ...string) {
	server := s.namespace.server
	server.hub.LeaveSeat(&s.seat, rooms)
	server.takeChanges()
}

// Rooms returns the rooms the socket is in, sorted. After its end they are the
// last ones.
func (s *Socket) Rooms() []string { return s.namespace.server.hub.Rooms(&s.seat) }

// Join puts the sockets that a command selects into rooms, on all nodes unless
// local is set. It returns the errors of hub.Hub.Join for those of this process.
func (s *Server) Join(cmd command.Join, local bool) error {
	err := s.hub.Join(cmd)
	s.takeChanges()
	if local || s.node == nil || errors.Is(err, ErrRoomName) {
		return err
	}
	return errors.Join(err, s.node.Join(&cmd))
}

// Leave takes the sockets that a command selects out of rooms, on all nodes
// unless local is set.
func (s *Server) Leave(cmd command.Leave, local bool) error {
	s.hub.Leave(cmd)
	s.takeChanges()
	if local || s.node == nil {
		return nil
	}
	return s.node.Leave(&cmd)
}

// takeChanges passes on which rooms are occupied. It does nothing without a
// cluster.
func (s *Server) takeChanges() {
	if s.hub.ChangesWait() {
		s.doPresenceWork(presence.Work{Changes: true})
	}
}
