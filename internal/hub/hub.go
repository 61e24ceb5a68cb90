// Package hub keeps who is connected to a server, and as whom: the index of
// connections and of their seats on namespaces, identities and their changes,
// the session ids and logins that do not count any more, presence, and the
// selection of who a message is for.
//
// It does no I/O, knows no protocol, calls no code of its users and starts no
// goroutine and no timer. The layer above embeds Conn and Seat in its own
// records, calls the methods of Hub, and acts on what they return: it closes
// connections, tells applications and queues messages.
//
// Addresses (Selector) and commands (Emit, Rebind, Revoke, Extend, Join, Leave,
// Disconnect) are values without pointers, so that they can be encoded and
// applied to the hub of another process.
//
// Locks:
//
//  1. Hub.mu, the only one. It guards Hub.hubByMu, Namespace.namespaceByMu,
//     Conn.connByMu and Seat.seatByMu. Functions whose name ends in Locked need
//     it held; a function that changes anything needs it held for writing.
//
// Conn.binding changes with Hub.mu held for writing and is read without it.
package hub

import (
	"sync"
	"time"
)

// Config is what a Hub needs to know. The zero value has no limits and no
// presence.
type Config struct {
	RequireSession bool // Admit refuses connections without a session
	MaxPerSession  int  // connections; 0: no limit
	MaxPerUser     int  // connections; 0: no limit
	CloseOldest    bool // above these two, the oldest connections end and Admit refuses none

	MaxRooms    int // of a seat; 0: no limit
	MaxRoomName int // bytes; 0: no limit

	WatchPresence bool          // report the transitions of the whole server
	PresenceGrace time.Duration // between the last seat of an id and its being offline
	AskTime       time.Duration // for a WebSocket to try to prove what it claims

	Revalidate bool // keep the list of identities that Portion walks

	Now func() time.Time // nil: time.Now
}

// Hub is the index of one server. Its methods are safe for concurrent use.
type Hub struct {
	config Config
	mu     sync.RWMutex
	hubByMu
}

// hubByMu is guarded by Hub.mu.
type hubByMu struct {
	namespaces map[string]*Namespace
	all        scope

	// conns has every connection from before its handshake is answered, so that no
	// change of identity can happen between the check of a cookie and the entry.
	conns    [kinds]index[*Conn]
	numbered uint32 // the latest connByMu.number

	ledger     ledgers
	claims     claims
	inPlace    changesInPlace
	presence   presence
	identities identities
}

// New returns a Hub without connections.
func New(config Config) *Hub {
	if config.Now == nil {
		config.Now = time.Now
	}
	h := &Hub{config: config}
	h.namespaces = make(map[string]*Namespace)
	h.ledger.now, h.presence.now = config.Now, config.Now
	h.presence.grace, h.presence.watched = config.PresenceGrace, config.WatchPresence
	h.identities.init(config.Revalidate)
	return h
}

// Namespace returns the namespace of this name and makes it if there is none. The
// first call for a name decides whether presence in it is watched.
func (h *Hub) Namespace(name string, watchPresence bool) *Namespace {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.namespaces[name]
	if n == nil {
		n = &Namespace{name: name, watched: watchPresence}
		h.namespaces[name] = n
	}
	return n
}

// scopeLocked returns the index of a namespace or, if the name is empty, of the whole
// server. It is nil for a name that Namespace was not called for.
func (h *Hub) scopeLocked(namespace string) *scope {
	if namespace == "" {
		return &h.all
	}
	if n := h.namespaces[namespace]; n != nil {
		return &n.scope
	}
	return nil
}

// Show makes a seat visible to selections, unless it or its connection has been
// removed.
func (h *Hub) Show(s *Seat) PresenceWork {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := s.conn
	if s.removed || s.visible || c.removed {
		return PresenceWork{}
	}
	s.visible = true
	c.addSeatLocked(s)
	h.all.everyone.add(s)
	s.namespace.showLocked(s)
	id := c.Binding().Identity
	for k := Session; k < kinds; k++ {
		if key := id.Key(k); key != "" {
			h.enterLocked(Key{k, key}, s)
		}
	}
	return h.presence.workLocked()
}

// Remove takes a seat out of every index, for good.
func (h *Hub) Remove(s *Seat) PresenceWork {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeSeatLocked(s)
	return h.presence.workLocked()
}

func (h *Hub) removeSeatLocked(s *Seat) {
	s.removed = true
	for room := range s.rooms {
		s.namespace.remove(Key{Room, room}, s)
	}
	s.rooms = nil
	c := s.conn
	c.removeSeatLocked(s)
	if !s.visible {
		return
	}
	s.visible = false
	h.all.everyone.remove(s)
	s.namespace.hideLocked(s)
	id := c.Binding().Identity
	for k := Session; k < kinds; k++ {
		if key := id.Key(k); key != "" {
			h.exitLocked(Key{k, key}, s)
		}
	}
}

// enterLocked puts a seat under a session or user, in its namespace and in the whole
// server.
func (h *Hub) enterLocked(k Key, s *Seat) {
	if h.all.add(k, s) {
		h.presence.enterLocked(presenceKey{nil, k})
	}
	if s.namespace.add(k, s) {
		h.presence.enterLocked(presenceKey{s.namespace, k})
	}
}

// exitLocked takes a seat from under a session or user.
func (h *Hub) exitLocked(k Key, s *Seat) {
	if s.namespace.remove(k, s) {
		h.presence.exitLocked(presenceKey{s.namespace, k})
	}
	if h.all.remove(k, s) {
		h.presence.exitLocked(presenceKey{nil, k})
	}
}
