package hub

import "time"

// The commands are values without pointers: they can be encoded, and applied to the
// hub of another process.

// Emit is an event for the seats that a Selector means. The hub selects the receivers
// (Hub.Receivers); the layer above queues the message.
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

// Disconnect disconnects the selected seats. The hub selects them (Hub.Select); the
// layer above ends them.
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
	// Others are further session ids that the browser has: they are given up, too.
	// Their connections are bound to the new identity if they belong to the same user,
	// and are outdated otherwise.
	Others []string
	To     Identified
	Until  time.Time // how long a handshake could come with the session id of From; zero: forever
	// SeatID names a seat whose connection is known to belong to the browser that the
	// change is for; empty if there is none. It counts if the connection has the
	// session of From, or claims it.
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

// RevokeIdentity ends the connections of one identity: of a session or, without one,
// of the logins of a user that have no session. Connections that are bound to another
// identity by now stay, and so do those whose identity changed in place since Seen.
type RevokeIdentity struct {
	Identity Identity
	Seen     int // from Hub.Live of the same hub
	Lasting  bool
	Until    time.Time
}

// Effects is what a command did here, for the layer above to act on.
type Effects struct {
	Moved    []Moved // connections with another binding
	Outdated []*Conn // to be closed, so that they come back with their browser's cookies
	Ended    []*Conn // to be told and closed; see Hub.Revoke
	Presence PresenceWork
}

// Moved is a connection that has got another binding.
type Moved struct {
	Conn     *Conn
	From, To *Binding
}
