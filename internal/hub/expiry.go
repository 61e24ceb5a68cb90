package hub

import (
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// Extend gives the connections of a session a later expiry, as renewed cookies
// do, if they still have the identity. Effects.Moved has those that were
// extended.
func (h *Hub) Extend(cmd command.Extend) (ef Effects) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.connsLocked(command.Key{Kind: command.Session, ID: cmd.To.Session}) {
		if m, extended := c.extendLocked(cmd.To); extended {
			ef.Moved = append(ef.Moved, m)
		}
	}
	return ef
}

// ExtendConn is Extend for one connection, which may have no session.
func (h *Hub) ExtendConn(c *Conn, to command.Identified) (extended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, extended = c.extendLocked(to)
	return extended
}

func (c *Conn) extendLocked(to command.Identified) (m Moved, extended bool) {
	b := c.Binding()
	if b.Identity != to.Identity || b.Expires.IsZero() || !b.Expires.Before(to.Expires) {
		return m, false
	}
	next := &Binding{Identified: to, Version: b.Version}
	c.binding.Store(next)
	return Moved{c, b, next}, true
}

// Lapse says whether the time of a connection is over, and which time.
type Lapse uint8

// The lapses. With the last two the connection is in no index any more.
const (
	NotLapsed Lapse = iota
	Expired         // its cookies have expired
	Unproven        // there was no proof of its claim in time
)

// Lapse ends a connection if its binding has expired, or if the time for the
// proof of its claim is over.
func (h *Hub) Lapse(c *Conn, polling bool) (Lapse, presence.Work) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, lapse := c.Binding(), NotLapsed
	switch {
	case b.Claim != nil && b.Claim.over(polling):
		lapse = Unproven
	case b.Expired(h.config.Now()):
		lapse = Expired
	default:
		return NotLapsed, presence.Work{}
	}
	h.removeLocked(c)
	return lapse, h.presence.Work()
}
