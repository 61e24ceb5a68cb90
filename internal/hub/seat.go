package hub

import (
	"errors"
	"maps"
	"slices"
)

// The errors of Join.
var (
	ErrRemoved      = errors.New("the connection has ended")
	ErrTooManyRooms = errors.New("too many rooms")
	ErrRoomName     = errors.New("the name of a room is too long")
)

// Namespace is the index of one namespace. Hub.Namespace makes it.
type Namespace struct {
	name    string
	watched bool // its presence
	namespaceByMu
}

// namespaceByMu is guarded by Hub.mu.
type namespaceByMu struct {
	scope
	byID map[string]*Seat // the visible ones
}

// scope is the index of a namespace or of the whole server: all visible seats, and
// those under each key. Rooms also hold seats that are not visible yet, and exist in
// namespaces alone. Hub.mu guards it.
type scope struct {
	everyone group[*Seat]
	keyed    [kinds]index[*Seat]
}

func (sc *scope) add(k Key, s *Seat) (first bool) { return sc.keyed[k.Kind].add(k.ID, s) }

func (sc *scope) remove(k Key, s *Seat) (last bool) { return sc.keyed[k.Kind].remove(k.ID, s) }

// showLocked adds a seat that becomes visible.
func (n *namespaceByMu) showLocked(s *Seat) {
	if n.byID == nil {
		n.byID = make(map[string]*Seat)
	}
	n.byID[s.id] = s
	n.everyone.add(s)
}

// hideLocked removes a seat that was visible.
func (n *namespaceByMu) hideLocked(s *Seat) {
	delete(n.byID, s.id)
	n.everyone.remove(s)
}

// Seat is the place of one connection on one namespace. The layer above embeds it in
// its own record. Owner stands last, beside what a broadcast reads there.
type Seat struct {
	id        string
	conn      *Conn
	namespace *Namespace
	seatByMu

	// Owner belongs to the layer above. It must not change.
	Owner any
}

// seatByMu is guarded by Hub.mu.
type seatByMu struct {
	rooms   map[string]struct{}
	visible bool
	removed bool // from every index, for good
}

// NewSeat returns the seat of a connection on a namespace. It is in no index before
// Hub.Show and Hub.JoinSeat. The id must be unique.
func NewSeat(c *Conn, n *Namespace, id string, owner any) Seat {
	return Seat{id: id, conn: c, namespace: n, Owner: owner}
}

// ID is the id of the seat.
func (s *Seat) ID() string { return s.id }

// JoinSeat puts a seat into rooms; those that it is in already stay. It returns
// ErrRemoved after the end, and ErrRoomName or ErrTooManyRooms if it would leave the
// bounds; then it has joined none.
func (h *Hub) JoinSeat(s *Seat, rooms []string) error {
	if err := h.checkRooms(rooms); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.joinLocked(s, rooms)
}

func (h *Hub) checkRooms(rooms []string) error {
	for _, room := range rooms {
		if most := h.config.MaxRoomName; most > 0 && len(room) > most {
			return ErrRoomName
		}
	}
	return nil
}

func (h *Hub) joinLocked(s *Seat, rooms []string) error {
	if s.removed || s.conn.removed {
		return ErrRemoved
	}
	if most := h.config.MaxRooms; most > 0 && len(s.rooms)+len(rooms) > most && s.roomsWith(rooms) > most {
		return ErrTooManyRooms
	}
	if s.rooms == nil {
		s.rooms = make(map[string]struct{}, len(rooms))
		s.conn.addSeatLocked(s)
	}
	for _, room := range rooms {
		if _, in := s.rooms[room]; !in {
			s.rooms[room] = struct{}{}
			s.namespace.add(Key{Room, room}, s)
		}
	}
	return nil
}

// roomsWith is the number of rooms that the seat would be in. Hub.mu must be held.
func (s *seatByMu) roomsWith(rooms []string) int {
	all := make(map[string]struct{}, len(s.rooms)+len(rooms))
	maps.Copy(all, s.rooms)
	for _, room := range rooms {
		all[room] = struct{}{}
	}
	return len(all)
}

// LeaveSeat takes a seat out of rooms.
func (h *Hub) LeaveSeat(s *Seat, rooms []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaveLocked(s, rooms)
}

func (h *Hub) leaveLocked(s *Seat, rooms []string) {
	for _, room := range rooms {
		if _, in := s.rooms[room]; in {
			delete(s.rooms, room)
			s.namespace.remove(Key{Room, room}, s)
		}
	}
}

// Rooms returns the rooms that a seat is in, sorted.
func (h *Hub) Rooms(s *Seat) []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.rooms))
}

// Seat returns the visible seat of this id in a namespace or, if that is empty, in
// any. It is nil if there is none.
func (h *Hub) Seat(namespace, id string) *Seat {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.visibleLocked(namespace, id)
}

func (h *Hub) visibleLocked(namespace, id string) *Seat {
	if namespace != "" {
		if n := h.namespaces[namespace]; n != nil {
			return n.byID[id]
		}
		return nil
	}
	for _, n := range h.namespaces {
		if s := n.byID[id]; s != nil {
			return s
		}
	}
	return nil
}

// Conn is the connection that the seat belongs to.
func (s *Seat) Conn() *Conn { return s.conn }
