package socketio

import (
	"maps"
	"slices"
	"sync"
)

// Kind is the kind of a Key.
type Kind uint8

// The kinds of keys.
const (
	Room Kind = iota
	Session
	User
	kinds
)

// Key is an address within a namespace, or within the whole server. It is typed,
// so that no room by whatever name reaches a session or a user.
type Key struct {
	Kind Kind
	ID   string
}

// scope is the index of a namespace or of the whole server: all visible sockets,
// and those under each key. Rooms also hold pending sockets, and exist in
// namespaces alone.
type scope struct {
	everyone group[*Socket]
	keyed    [kinds]index[*Socket]
	byID     map[string]*Socket // of a namespace
}

func (sc *scope) add(k Key, s *Socket) (first bool) { return sc.keyed[k.Kind].add(k.ID, s) }

func (sc *scope) remove(k Key, s *Socket) (last bool) { return sc.keyed[k.Kind].remove(k.ID, s) }

// registry is who is connected. One lock covers all indexes, so that a socket
// appears in them, and is gone from them, at once.
type registry struct {
	mu  sync.RWMutex // guards what follows, Namespace.scope, Socket.rooms and gone, and client.shown, evicted and number
	all scope

	// Every connection from before its handshake is answered, so that no change of
	// identity can slip between the check of a cookie and the entry in an index.
	clients  [kinds]index[*client]
	numbered uint32             // the latest client.number
	retired  ledger[retirement] // by session id
	banished ledger[banishment] // by user id
	claims   claims
	inPlace  changesInPlace
	presence presence
	validity *revalidator // nil without Options.Revalidation
}

func (r *registry) init(s *Server) {
	r.presence.server = s
}

// show makes a socket visible, unless it has ended.
func (r *registry) show(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := s.client
	if s.gone || c.evicted {
		return
	}
	if s.namespace.scope.byID == nil {
		s.namespace.scope.byID = make(map[string]*Socket)
	}
	s.namespace.scope.byID[s.id] = s
	r.all.everyone.add(s)
	s.namespace.scope.everyone.add(s)
	c.shown = append(c.shown, s)
	is := c.standing.Load()
	for k := Session; k < kinds; k++ {
		if id := is.key(k); id != "" {
			r.enter(Key{k, id}, s)
		}
	}
}

// hide takes a socket out of every index, for good.
func (r *registry) hide(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hideLocked(s)
}

func (r *registry) hideLocked(s *Socket) {
	s.gone = true
	for room := range s.rooms {
		s.namespace.scope.remove(Key{Room, room}, s)
	}
	s.rooms = nil
	c := s.client
	i := slices.Index(c.shown, s)
	if i < 0 {
		return
	}
	c.shown = slices.Delete(c.shown, i, i+1)
	delete(s.namespace.scope.byID, s.id)
	r.all.everyone.remove(s)
	s.namespace.scope.everyone.remove(s)
	is := c.standing.Load()
	for k := Session; k < kinds; k++ {
		if id := is.key(k); id != "" {
			r.exit(Key{k, id}, s)
		}
	}
}

// enter puts a socket under a session or user, in its namespace and in the whole
// server. It needs mu, and so does exit.
func (r *registry) enter(k Key, s *Socket) {
	if r.all.add(k, s) {
		r.presence.come(place{nil, k})
	}
	if s.namespace.scope.add(k, s) {
		r.presence.come(place{s.namespace, k})
	}
}

func (r *registry) exit(k Key, s *Socket) {
	if s.namespace.scope.remove(k, s) {
		r.presence.leave(place{s.namespace, k})
	}
	if r.all.remove(k, s) {
		r.presence.leave(place{nil, k})
	}
}

// Join puts the socket into rooms; those it is in already stay. It returns
// ErrNotConnected after the end, and ErrRoomName or ErrTooManyRooms if it would
// leave the bounds; then it has joined none.
func (s *Socket) Join(rooms ...string) error {
	opts := &s.namespace.server.opts
	for _, room := range rooms {
		if len(room) > opts.MaxRoomName {
			return ErrRoomName
		}
	}
	r := &s.namespace.server.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.gone {
		return ErrNotConnected
	}
	if len(s.rooms)+len(rooms) > opts.MaxRooms && s.roomsWith(rooms) > opts.MaxRooms {
		return ErrTooManyRooms
	}
	if s.rooms == nil {
		s.rooms = make(map[string]struct{}, len(rooms))
	}
	for _, room := range rooms {
		if _, in := s.rooms[room]; !in {
			s.rooms[room] = struct{}{}
			s.namespace.scope.add(Key{Room, room}, s)
		}
	}
	return nil
}

// roomsWith is how many rooms the socket would be in. It needs registry.mu.
func (s *Socket) roomsWith(rooms []string) int {
	all := make(map[string]struct{}, len(s.rooms)+len(rooms))
	maps.Copy(all, s.rooms)
	for _, room := range rooms {
		all[room] = struct{}{}
	}
	return len(all)
}

// Leave takes the socket out of rooms.
func (s *Socket) Leave(rooms ...string) {
	r := &s.namespace.server.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, room := range rooms {
		if _, in := s.rooms[room]; in {
			delete(s.rooms, room)
			s.namespace.scope.remove(Key{Room, room}, s)
		}
	}
}

// Rooms returns the rooms the socket is in, sorted.
func (s *Socket) Rooms() []string {
	r := &s.namespace.server.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.rooms))
}

// View is the index of one namespace or, if that is nil, of the whole server.
type View struct {
	Server    *Server
	Namespace *Namespace
}

func (v View) scope() *scope {
	if v.Namespace != nil {
		return &v.Namespace.scope
	}
	return &v.Server.registry.all
}

// IDs returns the ids of a kind under which anybody is connected, as of now.
func (v View) IDs(k Kind) []string {
	r := &v.Server.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	keyed := &v.scope().keyed[k]
	return slices.AppendSeq(make([]string, 0, keyed.len()), keyed.ids())
}

// Count is the length of IDs.
func (v View) Count(k Kind) int {
	r := &v.Server.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	return v.scope().keyed[k].len()
}

// CountUnder is the length of Sockets.
func (v View) CountUnder(k Key) int {
	r := &v.Server.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	return v.scope().keyed[k.Kind].count(k.ID)
}

// Sockets returns the sockets under a key, as of now. The list must not be changed.
func (v View) Sockets(k Key) []*Socket {
	r := &v.Server.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	return v.scope().sockets(k)
}

// Everyone returns all visible sockets, as of now. The list must not be changed.
func (v View) Everyone() []*Socket {
	r := &v.Server.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	return v.scope().everyone.snapshot()
}

// Socket returns the visible socket of this id in the namespace, or nil.
func (n *Namespace) Socket(id string) *Socket {
	r := &n.server.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	return n.scope.byID[id]
}

// sockets needs registry.mu.
func (sc *scope) sockets(k Key) []*Socket {
	return sc.keyed[k.Kind].members(k.ID)
}
