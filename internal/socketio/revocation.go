package socketio

import "github.com/mojosocket/mojo/internal/cluster/wire"

// Revocation says why connections are closed. It is sent to their clients.
type Revocation struct {
	Code      int
	Reason    Reason
	Reconnect bool // the client may reconnect with its cookies

	Message string // text for a person; left out if empty
	Data    any    // left out if nil
}

// RevokedEvent is the event that tells a client why it is closed.
const RevokedEvent = "mojo:revoked"

// The codes of revocations that the server makes itself.
const (
	CodeRevoked  = 4001
	CodeExpired  = 4002
	CodeInvalid  = 4003
	CodeRefused  = 4004
	CodeReplaced = 4005
)

// The reasons that belong to these codes.
const (
	Revoked         Reason = "session revoked"
	Expired         Reason = "session expired"
	Invalid         Reason = "session no longer valid"
	IdentityRefused Reason = "identity refused"
	Replaced        Reason = "replaced by a newer connection"
)

// notice is the argument of the event.
type notice struct {
	Code      int    `json:"code"`
	Reason    Reason `json:"reason"`
	Reconnect bool   `json:"reconnect"`
	Message   string `json:"message,omitempty"`
	Data      any    `json:"data,omitempty"`
}

// reasonOf returns a revocation for other nodes.
func reasonOf(why Revocation) *wire.Reason {
	return &wire.Reason{Code: why.Code, Reason: string(why.Reason), Message: why.Message, Reconnect: why.Reconnect}
}

func revocationOf(why *wire.Reason) Revocation {
	return Revocation{Code: why.Code, Reason: Reason(why.Reason), Message: why.Message, Reconnect: why.Reconnect}
}
