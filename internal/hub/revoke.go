package hub

import "github.com/mojosocket/mojo/internal/command"

// Revoke ends the connections of a session or user. It removes them from every
// index. With Invalidate their session ids are not valid any more, and all
// earlier logins of the user are not valid any more, except in the session
// Except.
//
// With a Namespace the connections do not end. Effects.Ended has the
// connections whose seats on the namespace the caller must end, visible or not.
func (h *Hub) Revoke(cmd command.Revoke) (ef Effects) {
	h.mu.Lock()
	defer h.mu.Unlock()
	conns := h.connsLocked(cmd.Key)
	if cmd.Except != "" {
		conns = exceptSession(conns, cmd.Except)
	}
	if cmd.Namespace != "" {
		return Effects{Ended: conns}
	}
	if cmd.Invalidate {
		h.invalidateLocked(&cmd, conns)
	}
	return h.endLocked(conns)
}

// exceptSession returns the connections that do not have the session.
func exceptSession(conns []*Conn, session string) (kept []*Conn) {
	for _, c := range conns {
		if c.Binding().Session != session {
			kept = append(kept, c)
		}
	}
	return kept
}

// invalidateLocked adds the session ids and the logins to the ledger.
func (h *Hub) invalidateLocked(cmd *command.Revoke, conns []*Conn) {
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
	if _, retired := h.ledger.Session(id.Session); cmd.Invalidate && id.Session != "" && !retired {
		h.ledger.RevokeSession(id.Session, cmd.Until)
	}
	return h.endLocked(conns)
}

// endLocked removes connections from every index.
func (h *Hub) endLocked(conns []*Conn) Effects {
	for _, c := range conns {
		h.removeLocked(c)
	}
	return Effects{Ended: conns, Presence: h.workLocked()}
}
