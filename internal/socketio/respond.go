package socketio

import (
	"slices"

	bus "github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/cluster"
	"github.com/mojosocket/mojo/internal/command"
)

// Rooms implements cluster.Local. The id of each connection is a room on the
// Bus, and so are its session and its user.
func (l local) Rooms(namespace string) []string {
	h := l.server.hub
	rooms := h.IDs(namespace, command.Room)
	for _, kind := range []command.Kind{command.Session, command.User} {
		for _, id := range h.IDs(namespace, kind) {
			rooms = append(rooms, cluster.RoomOf(command.Key{Kind: kind, ID: id}))
		}
	}
	for _, seat := range h.Select(&command.Selector{Namespace: namespace}) {
		rooms = append(rooms, seat.ID())
	}
	return rooms
}

// Sockets implements cluster.Local.
func (l local) Sockets(sel *command.Selector) []bus.Socket {
	var found []bus.Socket
	for _, s := range l.server.Sockets(*sel) {
		if s.Connected() {
			found = append(found, s.describe())
		}
	}
	return found
}

// describe returns the socket as servers of another kind see it.
func (s *Socket) describe() bus.Socket {
	d := bus.Socket{ID: s.ID(), Rooms: slices.Concat([]string{s.ID()}, s.Rooms())}
	identity := s.seat.Conn().Binding().Identity
	for _, kind := range []command.Kind{command.Session, command.User} {
		if id := identity.Key(kind); id != "" {
			d.Rooms = append(d.Rooms, cluster.RoomOf(command.Key{Kind: kind, ID: id}))
		}
	}
	if describe := s.namespace.server.opts.Describe; describe != nil {
		d.Handshake, d.Data = describe(s)
	}
	return d
}
