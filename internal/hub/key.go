package hub

import "time"

// Kind is the kind of a Key.
type Kind uint8

// The kinds of keys.
const (
	Room Kind = iota
	Session
	User
	kinds
)

// Key is an address within a namespace or within the whole server. It is typed, so
// that the name of a room never reaches a session or a user.
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

// mainKey is the key that the fewest connections share.
func (id Identity) mainKey() Key {
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
