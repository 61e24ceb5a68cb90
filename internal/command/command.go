// Package command has the addresses (Key, Identity, Selector) and the commands
// of a server (Emit, Rebind, Revoke, RevokeIdentity, Extend, Join, Leave,
// Disconnect). They are values without pointers, so they can be encoded and
// applied in another process. Package hub applies them.
package command

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Kind is the kind of a Key.
type Kind uint8

// The kinds of keys.
const (
	Room Kind = iota
	Session
	User
	NumKinds // the number of kinds
)

// Key is an address in a namespace or in the whole server. Its kind prevents
// that a room and a user with the same name are confused.
type Key struct {
	Kind Kind
	ID   string
}

// ReservedRooms is the prefix of the names that no room of a site has. On a bus
// that other programs use, the rooms with such names are those of users and of
// sessions.
const ReservedRooms = "~"

// IsReservedRoom reports whether a name is not allowed for a room.
func IsReservedRoom(name string) bool { return strings.HasPrefix(name, ReservedRooms) }

// IsConnID reports whether a name looks like the id of a connection, as
// crypto/rand.Text makes it: 26 characters of A to Z and 2 to 7. No room has
// such a name, so that nobody can listen to what is sent to a connection.
func IsConnID(name string) bool {
	if len(name) != 26 {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'A' || c > 'Z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// Identity is the session and the user that a connection belongs to. A field is
// empty if there is none.
type Identity struct {
	Session string
	User    string
}

// Key returns the id of a kind. It is empty for rooms.
func (id Identity) Key(k Kind) string {
	switch k {
	case Session:
		return id.Session
	case User:
		return id.User
	}
	return ""
}

// MainKey returns the key of the session or, without a session, of the user.
func (id Identity) MainKey() Key {
	if id.Session != "" {
		return Key{Session, id.Session}
	}
	return Key{User, id.User}
}

// Identified is an Identity with its expiry.
type Identified struct {
	Identity
	Expires   time.Time // zero: never
	LoginTime time.Time // the time of the login; zero: unknown, and the login is valid
}

// Selector selects visible seats of a namespace or of the whole server. The
// zero value selects every seat of the server.
type Selector struct {
	Namespace string // empty: the whole server
	// Keys selects the seats that have any of the keys. A nil slice selects
	// every seat, and an empty slice no seat. If Keys has rooms together with
	// sessions or users, Requires must not be Room.
	Keys      []Key
	IDs       []string // the seats with one of these ids as well; not used if Keys is nil
	Requires  Kind     // Session or User: only seats that have an id of this kind; Room: all seats
	Except    []Key    // no seat that has any of these keys
	ExceptIDs []string // no seat with any of these ids
}

// IsPersonal reports whether the selection depends on identities. A selection
// of rooms, or of a whole namespace, does not.
func (sel *Selector) IsPersonal() bool {
	return sel.Requires != Room || slices.ContainsFunc(sel.Keys, func(k Key) bool { return k.Kind != Room })
}

// Matches reports whether the selector still selects a seat after the identity
// of the seat has changed to id. It must have selected the seat before.
func (sel *Selector) Matches(id Identity) bool {
	if sel.Requires != Room && id.Key(sel.Requires) == "" {
		return false
	}
	for _, k := range sel.Keys {
		if k.Kind == Room || id.Key(k.Kind) == k.ID {
			return true
		}
	}
	return len(sel.Keys) == 0
}

// Clone returns a copy that can be stored. It shares the slices, which are
// never changed.
func (sel *Selector) Clone() *Selector {
	c := *sel
	return &c
}

// Emit sends an event to the selected seats. The hub selects them; the layer
// above queues the message.
type Emit struct {
	Selector
	JSON        []byte   // the encoded name and arguments
	Attachments [][]byte // binary arguments
	Delivery    Delivery
}

// Delivery has the options of a message for slow clients.
type Delivery struct {
	Volatile bool   // a slow client does not receive the message
	Latest   bool   // the message replaces a queued message with the same Key
	Key      string // only with Latest
}

// Join adds the selected seats to rooms.
type Join struct {
	Selector
	Rooms []string
}

// Leave removes the selected seats from rooms.
type Leave struct {
	Selector
	Rooms []string
}

// Disconnect disconnects the selected seats. The hub selects them (Hub.Select);
// the layer above disconnects them.
type Disconnect struct {
	Selector
}

// Extend gives the connections of an identity a later expiry.
type Extend struct {
	To Identified
}

// Rebind changes the identity of connections, see Hub.Rebind.
type Rebind struct {
	From Identity
	// Others are other session ids that the browser has. They are given up,
	// too. Their connections are bound to the new identity if they belong to
	// the same user. Otherwise they are outdated.
	Others []string
	To     Identified
	Until  time.Time // when the cookies with the session id of From expire; zero: never
	// SeatID is the id of a seat of the browser that logs in or out; empty: not
	// known. Its connection needs no proof if it has the session of From, or
	// claims it.
	SeatID string
	At     Clock // zero: the hub takes the next value of its clock
}

// Revoke ends the connections of a session or user.
type Revoke struct {
	Namespace  string // only the seats on this namespace; empty: the connections
	Key        Key
	Except     string    // the session whose connections do not end
	Invalidate bool      // the session ids and logins are not valid any more
	Until      time.Time // when the revoked cookies expire; zero: never
	At         Clock     // zero: the hub takes the next value of its clock
}

// RevokeIdentity ends the connections of one identity. An identity without a
// session stands for the logins of a user without a session. It does not end
// connections whose identity has changed meanwhile. If no connection has the
// identity any more, and the session may have changed in place since Seen, it
// does nothing.
//
// Seen means nothing to another hub. So if At is set, Seen is ignored, and the
// command does nothing if the session has changed later than At. It should be
// the value of the clock before the identity was checked.
type RevokeIdentity struct {
	Identity   Identity
	Seen       int // from Hub.Live of the same hub
	Invalidate bool
	Until      time.Time
	At         Clock // zero: the hub takes the next value of its clock
}

// Clock orders the commands of all processes. It is the value of a hybrid
// logical clock: about the time at which a command was made, and later than
// every command that its process knew then. The zero value is earlier than all
// others.
type Clock struct {
	Time int64  // nanoseconds since 1970
	Node string // the name of the process; it orders values with the same Time
}

// Compare returns -1 if c is earlier than d, 1 if it is later, and 0 if they
// are equal.
func (c Clock) Compare(d Clock) int {
	if order := cmp.Compare(c.Time, d.Time); order != 0 {
		return order
	}
	return strings.Compare(c.Node, d.Node)
}

// Before reports whether c is earlier than d.
func (c Clock) Before(d Clock) bool { return c.Compare(d) < 0 }

// IsZero reports whether c is the zero value.
func (c Clock) IsZero() bool { return c == Clock{} }

// Wall returns the time of c in whole microseconds. What is shorter only orders
// the commands of one moment.
func (c Clock) Wall() time.Time { return time.Unix(0, c.Time).Truncate(time.Microsecond) }
