package hub

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mojosocket/mojo/internal/command"
)

// The errors of Join.
var (
	ErrRemoved      = errors.New("the connection has ended")
	ErrTooManyRooms = errors.New("too many rooms")
	ErrRoomName     = errors.New("the name of a room is not allowed")
)

// reservedRoom is the ErrRoomName for a name that is reserved.
type reservedRoom string

func (room reservedRoom) Error() string {
	return fmt.Sprintf("the name of the room %q begins with %q, which is reserved for users and sessions", string(room), command.ReservedRooms)
}

// Unwrap implements errors.Is.
func (room reservedRoom) Unwrap() error { return ErrRoomName }

// CheckReserved returns an ErrRoomName if one of the names is reserved.
func CheckReserved(rooms []string) error {
	for _, room := range rooms {
		if command.IsReservedRoom(room) {
			return reservedRoom(room)
		}
	}
	return nil
}

// JoinSeat adds a seat to rooms. It returns ErrRemoved if the seat was removed,
// and ErrRoomName or ErrTooManyRooms if it would exceed a limit. After an error
// the seat has joined none of the rooms.
// The id of the seat itself is no room to join, as it is one already.
func (h *Hub) JoinSeat(s *Seat, rooms []string) error {
	if slices.Contains(rooms, s.id) {
		rooms = slices.DeleteFunc(slices.Clone(rooms), func(room string) bool { return room == s.id })
	}
	if err := h.checkRooms(rooms); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.joinLocked(s, rooms)
}

func (h *Hub) checkRooms(rooms []string) error {
	for _, room := range rooms {
		if limit := h.config.MaxRoomName; limit > 0 && len(room) > limit {
			return fmt.Errorf("%w: it has %d bytes; want at most %d", ErrRoomName, len(room), limit)
		}
	}
	if slices.ContainsFunc(rooms, command.IsConnID) {
		return fmt.Errorf("%w: it looks like the id of a connection", ErrRoomName)
	}
	return CheckReserved(rooms)
}

func (h *Hub) joinLocked(s *Seat, rooms []string) error {
	if s.removed || s.conn.removed {
		return ErrRemoved
	}
	if limit := h.config.MaxRooms; limit > 0 && len(s.rooms)+len(rooms) > limit && s.roomsWithLocked(rooms) > limit {
		return ErrTooManyRooms
	}
	if s.rooms == nil {
		s.rooms = make(map[string]struct{}, len(rooms))
		s.conn.addSeatLocked(s)
	}
	for _, room := range rooms {
		if _, in := s.rooms[room]; !in {
			s.rooms[room] = struct{}{}
			key := command.Key{Kind: command.Room, ID: room}
			if s.namespace.addLocked(key, s) {
				h.changes.add(s.namespace.name, key)
			}
		}
	}
	return nil
}

// roomsWithLocked returns the number of rooms that the seat would be in.
func (s *seatByMu) roomsWithLocked(rooms []string) int {
	all := make(map[string]struct{}, len(s.rooms)+len(rooms))
	maps.Copy(all, s.rooms)
	for _, room := range rooms {
		all[room] = struct{}{}
	}
	return len(all)
}

// LeaveSeat removes a seat from rooms.
func (h *Hub) LeaveSeat(s *Seat, rooms []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaveLocked(s, rooms)
}

func (h *Hub) leaveLocked(s *Seat, rooms []string) {
	if s.removed {
		return
	}
	for _, room := range rooms {
		if _, in := s.rooms[room]; in {
			delete(s.rooms, room)
			h.leaveRoomLocked(room, s)
		}
	}
}

// leaveRoomLocked removes a seat from the index of a room.
func (h *Hub) leaveRoomLocked(room string, s *Seat) {
	key := command.Key{Kind: command.Room, ID: room}
	if s.namespace.removeLocked(key, s) {
		h.changes.add(s.namespace.name, key)
	}
}

// Rooms returns the rooms that a seat is in, sorted. For one that was removed
// they are those it was in then.
func (h *Hub) Rooms(s *Seat) []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.rooms))
}

// Join adds the selected seats to rooms. Seats that would be in too many rooms
// join none. Then the error is an ErrTooManyRooms with the number of these
// seats.
func (h *Hub) Join(cmd command.Join) error {
	if err := h.checkRooms(cmd.Rooms); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	full := 0
	for _, s := range h.selectLocked(&cmd.Selector) {
		if s.visible && h.joinLocked(s, cmd.Rooms) != nil {
			full++
		}
	}
	if full > 0 {
		return fmt.Errorf("%w for %d connections", ErrTooManyRooms, full)
	}
	return nil
}

// Leave removes the selected seats from rooms.
func (h *Hub) Leave(cmd command.Leave) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.selectLocked(&cmd.Selector) {
		if s.visible {
			h.leaveLocked(s, cmd.Rooms)
		}
	}
}
