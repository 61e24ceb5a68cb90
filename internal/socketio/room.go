package socketio

import (
	"errors"

	"github.com/mojosocket/mojo/internal/command"
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

// Join puts the sockets that a command selects into rooms, on all nodes unless
// local is set. It returns the errors of hub.Hub.Join for those of this process.
func (s *Server) Join(cmd command.Join, local bool) error {
	err := s.hub.Join(cmd)
	if local || s.node == nil || errors.Is(err, ErrRoomName) {
		return err
	}
	return errors.Join(err, s.node.Join(&cmd))
}

// Leave takes the sockets that a command selects out of rooms, on all nodes
// unless local is set.
func (s *Server) Leave(cmd command.Leave, local bool) error {
	s.hub.Leave(cmd)
	if local || s.node == nil {
		return nil
	}
	return s.node.Leave(&cmd)
}

// Disconnect disconnects the sockets that a command selects, on all nodes
// unless local is set.
func (s *Server) Disconnect(cmd command.Disconnect, local bool) error {
	s.disconnect(&cmd)
	if local || s.node == nil {
		return nil
	}
	return s.node.Disconnect(&cmd)
}

func (s *Server) disconnect(cmd *command.Disconnect) []*Socket {
	sockets := s.Sockets(cmd.Selector)
	for _, socket := range sockets {
		_ = socket.Disconnect() // a socket that ends meanwhile is disconnected
	}
	return sockets
}
