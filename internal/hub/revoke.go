package hub

import "github.com/mojosocket/mojo/internal/command"

// Revoke ends the connections under a session or user. When it has returned
// they are in no index. With Lasting their session ids open nothing any more,
// and no login of the user counts that was proven up to now, outside of the
// session Except.
//
// With a Namespace the connections stay, and Effects.Ended has those whose seat
// on it, visible or not, the caller has to end.
func (h *Hub) Revoke(cmd command.Revoke) (ef Effects) {
	h.mu.Lock()
	defer h.mu.Unlock()
	conns := h.connsLocked(cmd.Key)
	if cmd.Except != "" {
		conns = without(conns, cmd.Except)
	}
	if cmd.Namespace != "" {
		return Effects{Ended: conns}
	}
	if cmd.Lasting {
		h.forbidLocked(&cmd, conns)
	}
	return h.endLocked(conns)
}

// without returns the connections that do not have a session.
func without(conns []*Conn, session string) (kept []*Conn) {
	for _, c := range conns {
		if c.Binding().Session != session {
			kept = append(kept, c)
		}
	}
	return kept
}

// forbidLocked lists what does not count any more.
func (h *Hub) forbidLocked(cmd *command.Revoke, conns []*Conn) {
	switch cmd.Key.Kind {
	case command.Session:
		h.ledger.RevokeSession(cmd.Key.ID, cmd.Until)
	case command.User:
		h.ledger.CutOff(cmd.Key.ID, cmd.Except, cmd.Until)
	}
	for _, c := range conns {
		if id := c.Binding().Session; id != "" {
			h.ledger.RevokeSession(id, cmd.Until)
		}
	}
}

// RevokeIdentity is Revoke for one identity.
func (h *Hub) RevokeIdentity(cmd command.RevokeIdentity) Effects {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := cmd.Identity
	var conns []*Conn
	for _, c := range h.connsLocked(id.MainKey()) {
		if c.Binding().Identity == id {
			conns = append(conns, c)
		}
	}
	if len(conns) == 0 && h.inPlace.Since(cmd.Seen, id.Session) {
		return Effects{}
	}
	if _, retired := h.ledger.Session(id.Session); cmd.Lasting && id.Session != "" && !retired {
		h.ledger.RevokeSession(id.Session, cmd.Until)
	}
	return h.endLocked(conns)
}

// endLocked takes connections out of every index.
func (h *Hub) endLocked(conns []*Conn) Effects {
	for _, c := range conns {
		h.removeLocked(c)
	}
	return Effects{Ended: conns, Presence: h.presence.Work()}
}
