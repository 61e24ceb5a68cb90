package hub

import (
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// Extend gives the connections of a session a later expiry, because the cookies
// were renewed. It extends only connections that still have the identity. They
// are in Effects.Moved.
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

// ExtendConn is Extend for one connection. The connection may have no session.
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

// Lapse is the reason for which Hub.Lapse ended a connection.
type Lapse uint8

// The reasons. NotLapsed: the connection did not end.
const (
	NotLapsed Lapse = iota
	Expired         // its cookies have expired
	Unproven        // it did not prove its claim in time
)

// Lapse ends a connection if its binding has expired, or if the time for the
// proof of its claim is over.
func (h *Hub) Lapse(c *Conn, polling bool) (Lapse, presence.Work) {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, lapse := c.Binding(), NotLapsed
	switch {
	case b.Claim != nil && b.Claim.isOver(polling):
		lapse = Unproven
	case b.Expired(h.config.Now()):
		lapse = Expired
	default:
		return NotLapsed, presence.Work{}
	}
	h.removeLocked(c)
	return lapse, h.workLocked()
}
