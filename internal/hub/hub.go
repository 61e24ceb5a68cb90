// Package hub keeps the connections of a server and their identities: the index
// of connections and of their seats on namespaces, changes of identity, the
// session ids and logins that are not valid any more, presence, and the
// selection of the receivers of a message.
//
// It does no I/O, does not depend on a protocol, calls no callbacks, and starts
// no goroutine and no timer. The layer above embeds Conn and Seat in its own
// records, calls the methods of Hub, and acts on what they return: it calls
// handlers of applications.
//
// The commands are those of package command. They are values, so they can also
// be applied to the hub of another process. There they may arrive in another
// order, and more than once. Their clocks decide what they do, see Hub.Rebind.
// Packages index, ledger, presence and slots have the types of the state.
//
// Locks:
//
//  1. Hub.mu, the only one. It guards Hub.hubByMu, Namespace.namespaceByMu,
//     Conn.connByMu and Seat.seatByMu, and with these the values of the
//     packages below. It must be held for functions whose name ends in Locked.
//     It must be held for writing if they change anything.
//
// Conn.binding changes with Hub.mu held for writing and is read without it.
// Bindings and claims are immutable, and the state of a Proof is atomic. All
// other fields are set before other goroutines can access the value, and do not
// change.
package hub

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/index"
	"github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/internal/hub/presence"
	"github.com/mojosocket/mojo/internal/hub/slots"
)

// Config configures a Hub. The zero value has no limits and no
// presence.
type Config struct {
	RequireSession bool // Admit refuses connections without a session
	MaxPerSession  int  // connections; 0: no limit
	MaxPerUser     int  // connections; 0: no limit
	CloseOldest    bool // above these limits the oldest connections end, and Admit refuses none

	MaxRooms    int // of a seat; 0: no limit
	MaxRoomName int // bytes; 0: no limit

	WatchPresence bool          // report the transitions of the whole server
	PresenceGrace time.Duration // from the removal of the last seat of an id until it is offline
	AskTime       time.Duration // the time in which a WebSocket must try to prove its claim

	Revalidate bool // keep the list of identities that Portion walks

	// Node is the name of this process, which is different for each process
	// that applies the same commands. Without a name there is no other one:
	// the hub keeps nothing that only late commands need.
	Node         string
	Journal      bool   // set Effects.Journal
	TrackEntries bool   // keep the changes that TakeChanges returns
	ProofPrefix  string // of the values of claims; may be empty

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

	// conns has every connection from before the response to its handshake. So
	// Admit and a change of identity exclude each other, and Admit sees all
	// earlier changes.
	conns    [command.NumKinds]index.Index[*Conn]
	arrivals uint32 // the latest connByMu.arrival

	claims    [command.NumKinds]index.Index[*Conn] // by the ids of Claim.To
	claimants map[string]*Conn                     // by Proof.Value
	clock     hybridClock
	trails    map[*Conn]*step // the latest change of each connection that has changed; nil without Config.Node
	ledger    ledger.Ledger
	inPlace   ledger.RecentChanges
	presence  presence.Presence
	changes   *changes // nil without Config.TrackEntries; the pointer never changes

	// identities counts the connections of each identity. It is nil without
	// Config.Revalidate; the pointer never changes.
	identities *slots.Slots[command.Identity]
}

// Conn is one connection. The layer above embeds it in its own record and
// passes it to Hub.Admit before anything else.
type Conn struct {
	// Owner belongs to the layer above. It must not change after Hub.Admit.
	Owner any

	binding atomic.Pointer[Binding]
	connByMu
}

// connByMu is guarded by Hub.mu.
type connByMu struct {
	seats   []*Seat // that are visible or in rooms
	removed bool    // from every index; it cannot be added again
	arrival uint32  // a number in the order of Hub.Arrived, modulo 2^32; 0 before that
}

// Binding returns the identity that the connection is bound to. Before
// Hub.Admit it is nil.
func (c *Conn) Binding() *Binding { return c.binding.Load() }

// addSeatLocked adds a seat that becomes visible or joins a room.
func (c *connByMu) addSeatLocked(s *Seat) {
	if !slices.Contains(c.seats, s) {
		c.seats = append(c.seats, s)
	}
}

func (c *connByMu) removeSeatLocked(s *Seat) {
	if i := slices.Index(c.seats, s); i >= 0 {
		c.seats = slices.Delete(c.seats, i, i+1)
	}
}

// Binding is the identity that a connection is bound to. It is immutable; a
// change swaps the pointer.
type Binding struct {
	command.Identified
	Version int32  // counts the changes of Identity
	Claim   *Claim // the identity that the connection gets after a proof; nil if there is none
}

// Expired reports whether the binding has expired.
func (b *Binding) Expired(now time.Time) bool { return !b.Expires.IsZero() && !now.Before(b.Expires) }

// ExpiredTo reports whether the binding has expired and its identity without
// the expired cookies is id. The poll that fetches the last messages of a
// connection has such an identity.
func (b *Binding) ExpiredTo(id command.Identity, now time.Time) bool {
	return b.Expired(now) && (id.Session == "" || id.Session == b.Session) && (id.User == "" || id.User == b.User)
}

// hasSession reports whether a connection has or claims a session.
func (b *Binding) hasSession(session string) bool {
	return b.Session == session || b.Claim != nil && b.Claim.To.Session == session
}

// next returns the next binding, with another identity.
func (b *Binding) next(to command.Identified) *Binding {
	return &Binding{Identified: to, Version: b.Version + 1}
}

// Namespace is the index of one namespace. Hub.Namespace makes it.
type Namespace struct {
	name string
	namespaceByMu
}

// namespaceByMu is guarded by Hub.mu.
type namespaceByMu struct {
	scope
	byID map[string]*Seat // the visible ones
}

// scope is the index of a namespace or of the whole server. It has all visible
// seats, and the seats of each key. Rooms also have seats that are not visible
// yet, and only namespaces have rooms. It is part of namespaceByMu and hubByMu.
type scope struct {
	everyone index.Group[*Seat]
	keyed    [command.NumKinds]index.Index[*Seat]
}

func (sc *scope) addLocked(k command.Key, s *Seat) (first bool) {
	return sc.keyed[k.Kind].Add(k.ID, s)
}

func (sc *scope) removeLocked(k command.Key, s *Seat) (last bool) {
	return sc.keyed[k.Kind].Remove(k.ID, s)
}

// underLocked returns the seats of a key.
func (sc *scope) underLocked(k command.Key) []*Seat { return sc.keyed[k.Kind].Members(k.ID) }

// showLocked adds a seat that becomes visible.
func (n *namespaceByMu) showLocked(s *Seat) {
	if n.byID == nil {
		n.byID = make(map[string]*Seat)
	}
	n.byID[s.id] = s
	n.everyone.Add(s)
}

// hideLocked removes a seat that was visible.
func (n *namespaceByMu) hideLocked(s *Seat) {
	delete(n.byID, s.id)
	n.everyone.Remove(s)
}

// Seat is one connection on one namespace; other servers call it a socket. The
// layer above embeds it in its own record. Owner is the last field, next to the
// fields of that record that a broadcast reads.
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
	removed bool // from every index; it cannot be added again
}

// NewSeat returns the seat of a connection on a namespace. It is in no index
// before Hub.Show and Hub.JoinSeat. The id must be unique.
func NewSeat(c *Conn, n *Namespace, id string, owner any) Seat {
	return Seat{id: id, conn: c, namespace: n, Owner: owner}
}

// ID returns the id of the seat.
func (s *Seat) ID() string { return s.id }

// Conn returns the connection of the seat.
func (s *Seat) Conn() *Conn { return s.conn }

// Effects are the effects of a command that the layer above must act on.
type Effects struct {
	Moved    []Moved // connections with a new binding
	Outdated []*Conn // to be closed, so that they reconnect with the cookies of their browser
	Ended    []*Conn // to be notified and closed; see Hub.Revoke
	// Revoked has the session ids that Revoke or RevokeIdentity has revoked
	// here. Other hubs may not know them. To revoke them there, too, apply a
	// Revoke for each of them, with the same clock and Invalidate.
	Revoked []string
	// Journal has what the command has added to the ledger of this hub, with
	// Config.Journal and for a command that was made in this process.
	Journal  []ledger.Entry
	Presence presence.Work
}

// Moved is a connection that has a new binding.
type Moved struct {
	Conn     *Conn
	From, To *Binding
}

// CookieDelay is the time after a change of identity in which a browser may
// still send its old cookies.
const CookieDelay = 30 * time.Second

// New returns a Hub without connections.
func New(config Config) *Hub {
	if config.Now == nil {
		config.Now = time.Now
	}
	h := &Hub{config: config}
	h.namespaces = make(map[string]*Namespace)
	h.claimants = make(map[string]*Conn)
	h.ledger.Now, h.presence.Now, h.presence.Grace = config.Now, config.Now, config.PresenceGrace
	h.presence.Watched = map[string]bool{"": config.WatchPresence}
	h.clock = hybridClock{node: config.Node, now: config.Now}
	if config.Node != "" {
		h.trails = make(map[*Conn]*step)
	}
	if config.Journal {
		h.ledger.Journal = new(ledger.Journal)
	}
	if config.TrackEntries {
		h.changes = newChanges()
	}
	if config.Revalidate {
		h.identities = slots.New[command.Identity]()
	}
	return h
}

// Namespace returns the namespace of this name. It makes the namespace if there
// is none. Presence is watched after the first call with watchPresence.
func (h *Hub) Namespace(name string, watchPresence bool) *Namespace {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.namespaces[name]
	if n == nil {
		n = &Namespace{name: name}
		h.namespaces[name] = n
	}
	if watchPresence {
		h.presence.Watched[name] = true
	}
	return n
}

// scopeLocked returns the index of a namespace or, if the name is empty, of the
// whole server. It is nil if Namespace was not called for the name.
func (h *Hub) scopeLocked(namespace string) *scope {
	if namespace == "" {
		return &h.all
	}
	if n := h.namespaces[namespace]; n != nil {
		return &n.scope
	}
	return nil
}

// workLocked returns what the caller must do after changes.
func (h *Hub) workLocked() presence.Work {
	work := h.presence.Work()
	work.Changes = h.changes.announce()
	return work
}
