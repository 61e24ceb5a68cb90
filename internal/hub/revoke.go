package hub

import (
	"slices"

	"github.com/mojosocket/mojo/internal/command"
)

// Revoke ends the connections of a session or user. It removes them from every
// index. With Invalidate their session ids are not valid any more, and all
// earlier logins of the user are not valid any more, except in the session
// Except. The other connections of these sessions end, too, whatever user they
// belong to, and those that claim one of the sessions.
//
// The command may arrive after commands with later clocks, see Rebind. It ends
// the connections that belonged to the user at its clock, also if they have
// changed to another session of the user since, and does not end those that
// came to the user later. For a session it ends the connections of the session,
// and those that have left it since. If it does not make the session id
// invalid, it does not end them if the session has changed later.
//
// With a Namespace the connections do not end. Effects.Ended has the
// connections whose seats on the namespace the caller must end, visible or not.
func (h *Hub) Revoke(cmd command.Revoke) (ef Effects) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, own := h.clockLocked(cmd.At)
	if cmd.Namespace != "" {
		return Effects{Ended: exceptSession(h.connsLocked(cmd.Key), cmd.Except)}
	}
	var revoked []string
	switch {
	case !cmd.Invalidate:
	case cmd.Key.Kind == command.Session:
		revoked = []string{cmd.Key.ID}
	case cmd.Key.Kind == command.User:
		var exempt []string
		if cmd.Except != "" {
			exempt = []string{cmd.Except}
		}
		h.ledger.CutOff(cmd.Key.ID, exempt, at, cmd.Until)
	}
	conns, sessions := h.affectedLocked(&cmd, at)
	if cmd.Invalidate {
		revoked = append(revoked, sessions...)
	}
	h.removeAllLocked(conns)
	for _, session := range revoked {
		h.ledger.RevokeSession(session, at, cmd.Until)
		conns = append(conns, h.endSessionLocked(session, at)...)
	}
	return Effects{Ended: conns, Revoked: revoked, Journal: h.journalLocked(own), Presence: h.workLocked()}
}

// exceptSession returns the connections that do not have the session.
func exceptSession(conns []*Conn, session string) []*Conn {
	if session == "" {
		return conns
	}
	return slices.DeleteFunc(slices.Clone(conns), func(c *Conn) bool { return c.Binding().Session == session })
}

// affectedLocked returns the connections that a Revoke ends, and their sessions
// at its clock, without the session that it names.
func (h *Hub) affectedLocked(cmd *command.Revoke, at command.Clock) (conns []*Conn, sessions []string) {
	for _, c := range h.connsLocked(cmd.Key) {
		id, was := h.identityAtLocked(c, at)
		switch {
		case cmd.Key.Kind == command.Session && cmd.Invalidate:
			id = c.Binding().Identity
		case !was || id.Key(cmd.Key.Kind) != cmd.Key.ID:
			continue
		}
		if cmd.Except != "" && id.Session == cmd.Except {
			continue
		}
		conns = append(conns, c)
		if id.Session != "" && id.Session != cmd.Key.ID && !slices.Contains(sessions, id.Session) {
			sessions = append(sessions, id.Session)
		}
	}
	if cmd.Key.Kind != command.Session {
		return conns, sessions
	}
	root := h.rootLocked(cmd.Key.ID)
	if root == cmd.Key.ID {
		return conns, sessions
	}
	for _, c := range h.connsLocked(command.Key{Kind: command.Session, ID: root}) {
		if id, was := h.identityAtLocked(c, at); was && id.Session == cmd.Key.ID {
			conns = append(conns, c)
		}
	}
	return conns, sessions
}

// RevokeIdentity is Revoke for one identity. With Invalidate it also ends what
// else belongs to the session that it revokes, or claims it.
func (h *Hub) RevokeIdentity(cmd command.RevokeIdentity) Effects {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, own := h.clockLocked(cmd.At)
	id := cmd.Identity
	change, _ := h.ledger.Changed(id.Session)
	if !cmd.At.IsZero() && at.Before(change.At) {
		return Effects{}
	}
	var conns []*Conn
	for _, c := range h.connsLocked(id.MainKey()) {
		if c.Binding().Identity == id {
			conns = append(conns, c)
		}
	}
	if len(conns) == 0 && cmd.At.IsZero() && h.inPlace.Since(cmd.Seen, id.Session) {
		return Effects{}
	}
	h.removeAllLocked(conns)
	var revoked []string
	if _, retired := h.ledger.Session(id.Session); cmd.Invalidate && id.Session != "" && !retired {
		h.ledger.RevokeSession(id.Session, at, cmd.Until)
		conns = append(conns, h.endSessionLocked(id.Session, at)...)
		revoked = []string{id.Session}
	}
	return Effects{Ended: conns, Revoked: revoked, Journal: h.journalLocked(own), Presence: h.workLocked()}
}

// endSessionLocked removes the connections of a session that was revoked at a
// clock, and those that claim it, from every index. It returns them.
func (h *Hub) endSessionLocked(session string, at command.Clock) []*Conn {
	conns, _ := h.affectedLocked(&command.Revoke{Key: command.Key{Kind: command.Session, ID: session}, Invalidate: true}, at)
	conns = append(conns, h.claims[command.Session].Members(session)...)
	h.removeAllLocked(conns)
	return conns
}

// removeAllLocked removes connections from every index.
func (h *Hub) removeAllLocked(conns []*Conn) {
	for _, c := range conns {
		h.removeLocked(c)
	}
}
