package hub

import (
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// Show makes a seat visible to selections, unless it or its connection has been
// removed.
func (h *Hub) Show(s *Seat) presence.Work {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := s.conn
	if s.removed || s.visible || c.removed {
		return presence.Work{}
	}
	s.visible = true
	c.addSeatLocked(s)
	h.all.everyone.Add(s)
	s.namespace.showLocked(s)
	id := c.Binding().Identity
	for k := command.Session; k < command.NumKinds; k++ {
		if key := id.Key(k); key != "" {
			h.enterLocked(command.Key{Kind: k, ID: key}, s)
		}
	}
	return h.workLocked()
}

// Remove removes a seat from every index. It cannot be added again.
func (h *Hub) Remove(s *Seat) presence.Work {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeSeatLocked(s)
	return h.workLocked()
}

func (h *Hub) removeSeatLocked(s *Seat) {
	s.removed = true
	for room := range s.rooms {
		h.leaveRoomLocked(room, s)
	}
	c := s.conn
	c.removeSeatLocked(s)
	if !s.visible {
		return
	}
	s.visible = false
	h.all.everyone.Remove(s)
	s.namespace.hideLocked(s)
	id := c.Binding().Identity
	for k := command.Session; k < command.NumKinds; k++ {
		if key := id.Key(k); key != "" {
			h.exitLocked(command.Key{Kind: k, ID: key}, s)
		}
	}
}

// enterLocked adds a seat to a session or user, in its namespace and in the
// whole server.
func (h *Hub) enterLocked(k command.Key, s *Seat) {
	if h.all.addLocked(k, s) {
		h.presence.Enter(presence.Key{Key: k})
	}
	h.changes.add(s.namespace.name, k)
	if s.namespace.addLocked(k, s) {
		h.presence.Enter(presence.Key{Namespace: s.namespace.name, Key: k})
	}
}

// exitLocked removes a seat from a session or user.
func (h *Hub) exitLocked(k command.Key, s *Seat) {
	h.changes.add(s.namespace.name, k)
	if s.namespace.removeLocked(k, s) {
		h.presence.Exit(presence.Key{Namespace: s.namespace.name, Key: k})
	}
	if h.all.removeLocked(k, s) {
		h.presence.Exit(presence.Key{Key: k})
	}
}

// bindLocked replaces the binding of a connection. It moves the connection and
// its visible seats to the keys of the new identity.
func (h *Hub) bindLocked(c *Conn, to *Binding) {
	from := c.Binding()
	c.binding.Store(to)
	h.removeClaimLocked(c, from.Claim)
	h.addClaimLocked(c, to.Claim)
	h.countLocked(from.Identity, to.Identity)
	for k := command.Session; k < command.NumKinds; k++ {
		before, after := from.Key(k), to.Key(k)
		if before == after {
			continue
		}
		if after != "" {
			h.conns[k].Add(after, c)
		}
		if before != "" {
			h.conns[k].Remove(before, c)
		}
		for _, s := range c.seats {
			if !s.visible {
				continue
			}
			if after != "" {
				h.enterLocked(command.Key{Kind: k, ID: after}, s)
			}
			if before != "" {
				h.exitLocked(command.Key{Kind: k, ID: before}, s)
			}
		}
	}
}

// addClaimLocked adds the claim of a connection to the indexes. It may be nil.
func (h *Hub) addClaimLocked(c *Conn, cl *Claim) {
	if cl == nil {
		return
	}
	h.claimants[cl.Value] = c
	for k := command.Session; k < command.NumKinds; k++ {
		if id := cl.To.Key(k); id != "" {
			h.claims[k].Add(id, c)
			h.changes.add(Claims, command.Key{Kind: k, ID: id})
		}
	}
}

// removeClaimLocked removes the claim of a connection from the indexes. It may
// be nil.
func (h *Hub) removeClaimLocked(c *Conn, cl *Claim) {
	if cl == nil {
		return
	}
	delete(h.claimants, cl.Value)
	for k := command.Session; k < command.NumKinds; k++ {
		if id := cl.To.Key(k); id != "" {
			h.claims[k].Remove(id, c)
			h.changes.add(Claims, command.Key{Kind: k, ID: id})
		}
	}
}

// countLocked records that the identity of a connection has changed. It changes
// from the zero Identity when the connection begins, and to it when the
// connection ends.
func (h *Hub) countLocked(from, to command.Identity) {
	if h.identities == nil || from == to {
		return
	}
	if to != (command.Identity{}) {
		h.identities.Add(to)
	}
	if from != (command.Identity{}) {
		h.identities.Remove(from)
	}
}

// connsLocked returns the connections of a session or user. The list must not
// be changed.
func (h *Hub) connsLocked(k command.Key) []*Conn { return h.conns[k.Kind].Members(k.ID) }

// Conns returns the connections of a session or user, also those without seats.
// The list must not be changed.
func (h *Hub) Conns(k command.Key) []*Conn {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.connsLocked(k)
}

// Forget removes a connection that has ended, and its seats, from every index.
func (h *Hub) Forget(c *Conn) presence.Work {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeLocked(c)
	return h.workLocked()
}

// removeLocked removes a connection and its seats from every index. They cannot
// be added again.
func (h *Hub) removeLocked(c *Conn) {
	if c.removed || c.Binding() == nil {
		return
	}
	c.removed = true
	delete(h.trails, c)
	b := c.Binding()
	h.removeClaimLocked(c, b.Claim)
	h.countLocked(b.Identity, command.Identity{})
	for k := command.Session; k < command.NumKinds; k++ {
		if id := b.Key(k); id != "" {
			h.conns[k].Remove(id, c)
		}
	}
	for len(c.seats) > 0 {
		h.removeSeatLocked(c.seats[len(c.seats)-1])
	}
}

// visibleLocked returns the visible seat of this id in a namespace or, if that
// is empty, in any.
func (h *Hub) visibleLocked(namespace, id string) *Seat {
	if namespace != "" {
		if n := h.namespaces[namespace]; n != nil {
			return n.byID[id]
		}
		return nil
	}
	for _, n := range h.namespaces {
		if s := n.byID[id]; s != nil {
			return s
		}
	}
	return nil
}
