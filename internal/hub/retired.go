package hub

import (
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

// Retired returns the entry of a session id that is not valid any more.
func (h *Hub) Retired(sessionID string) (ledger.Session, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ledger.Session(sessionID)
}

// LoginCounts reports whether a login is still valid after all calls of Revoke.
// The argument loginTime is the time of the login, in whole seconds. A login in
// the same second as a Revoke is valid only if this hub bound its session after
// the Revoke.
func (h *Hub) LoginCounts(id command.Identity, loginTime time.Time) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ledger.LoginCounts(id, loginTime)
}
