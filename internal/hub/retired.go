package hub

import (
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

// Retired returns the entry of a session id that opens nothing any more.
func (h *Hub) Retired(sessionID string) (ledger.Session, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ledger.Session(sessionID)
}

// LoginCounts reports whether a login of this user that was proven at that
// time, in this session, still counts after the Revokes so far. The time is in
// whole seconds: a login of the very second counts if its session was begun by
// this hub later.
func (h *Hub) LoginCounts(id command.Identity, proven time.Time) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ledger.LoginCounts(id, proven)
}
