// Package command has addresses (Key, Identity, Selector) and the commands of a
// server (Emit, Rebind, Revoke, RevokeIdentity, Extend, Join, Leave,
// Disconnect). They are values without pointers, so they can be encoded and
// applied in another process. Package hub applies them.
package command

import (
	"slices"
	"time"
)

// Kind is the kind of a Key.
type Kind uint8

// The kinds of keys.
const (
	Room Kind = iota
	Session
	User
	Kinds // how many there are
)

// Key is an address within a namespace or within the whole server. It is typed,
// so that the name of a room never reaches a session or a user.
type Key struct {
	Kind Kind
	ID   string
}

// Identity is the session and the user that a connection belongs to. A field is
// empty if there is none.
type Identity struct {
	Session string
	User    string
}

// Key returns the id of a kind, empty for rooms.
func (id Identity) Key(k Kind) string {
	switch k {
	case Session:
		return id.Session
	case User:
		return id.User
	}
	return ""
}

// MainKey is the key that the fewest connections share.
func (id Identity) MainKey() Key {
	if id.Session != "" {
		return Key{Session, id.Session}
	}
	return Key{User, id.User}
}

// Identified is an Identity and the time up to which it holds.
type Identified struct {
	Identity
	Expires time.Time // zero: never
	Proven  time.Time // when the login was made; zero if that is not known, then the login counts
}

// Selector is an address: the visible seats of a namespace, or of the whole
// server, that match it. The zero value selects every seat of the server.
type Selector struct {
	Namespace string // empty: the whole server
	// Keys selects the seats under any of them; nil: every seat; empty and not
	// nil: none. With rooms beside sessions or users, Having must not be Room.
	Keys      []Key
	Having    Kind     // Session or User: only seats that have one; Room, the zero Kind: all
	Except    []Key    // no seat under any of these
	ExceptIDs []string // no seat with one of these ids
}

// IsPersonal reports whether the receivers depend on their identities. Those
// under a room, or all in a namespace, do not.
func (sel *Selector) IsPersonal() bool {
	return sel.Having != Room || slices.ContainsFunc(sel.Keys, func(k Key) bool { return k.Kind != Room })
}

// Means reports whether the selector, which selected a seat before, still does
// when the seat has this identity.
func (sel *Selector) Means(id Identity) bool {
	if sel.Having != Room && id.Key(sel.Having) == "" {
		return false
	}
	for _, k := range sel.Keys {
		if k.Kind == Room || id.Key(k.Kind) == k.ID {
			return true
		}
	}
	return len(sel.Keys) == 0
}

// Clone returns a copy to be kept. It shares the slices, which are never
// changed.
func (sel *Selector) Clone() *Selector {
	kept := *sel
	return &kept
}

// Emit is an event for the seats that a Selector means. The hub selects the
// receivers; the layer above queues the message.
type Emit struct {
	Selector
	JSON        []byte   // the encoded name and arguments
	Attachments [][]byte // binary arguments
	Delivery    Delivery
}

// Delivery says what happens to a message for a client that is behind.
type Delivery struct {
	Volatile bool   // it is dropped
	Latest   bool   // it replaces the queued message of the same Key
	Key      string // of Latest
}

// Join puts the selected seats into rooms.
type Join struct {
	Selector
	Rooms []string
}

// Leave takes the selected seats out of rooms.
type Leave struct {
	Selector
	Rooms []string
}

// Disconnect disconnects the selected seats. The hub selects them (Hub.Select);
// the layer above ends them.
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
	// Others are further session ids that the browser has: they are given up,
	// too. Their connections are bound to the new identity if they belong to
	// the same user, and are outdated otherwise.
	Others []string
	To     Identified
	Until  time.Time // how long a handshake could come with the session id of From; zero: forever
	// SeatID names a seat whose connection is known to belong to the browser
	// that the change is for; empty if there is none. It counts if the
	// connection has the session of From, or claims it.
	SeatID string
}

// Revoke ends the connections under a session or user.
type Revoke struct {
	Namespace string // only on this namespace; empty: altogether
	Key       Key
	Except    string    // the session whose connections stay
	Lasting   bool      // the session ids and logins do not count any more
	Until     time.Time // up to when; zero: forever
}

// RevokeIdentity ends the connections of one identity: of a session or, without
// one, of the logins of a user that have no session. Connections that are bound
// to another identity by now stay, and so do those whose identity changed in
// place since Seen.
type RevokeIdentity struct {
	Identity Identity
	Seen     int // from Hub.Live of the same hub
	Lasting  bool
	Until    time.Time
}
