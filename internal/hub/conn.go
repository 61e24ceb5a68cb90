package hub

import (
	"slices"
	"sync/atomic"
	"time"
)

// Conn is one connection. The layer above embeds it in its own record and passes it
// to Hub.Admit before anything else.
type Conn struct {
	// Owner belongs to the layer above. It must not change after Hub.Admit.
	Owner any

	binding atomic.Pointer[Binding]
	connByMu
}

// connByMu is guarded by Hub.mu.
type connByMu struct {
	seats   []*Seat // that are visible or in rooms
	removed bool    // from every index, for good
	number  uint32  // in the order of Hub.Arrived, modulo 2^32; 0 before
}

// Binding returns the identity that the connection is bound to. Before Hub.Admit it
// is nil.
func (c *Conn) Binding() *Binding { return c.binding.Load() }

// addSeatLocked lists a seat that becomes visible or joins a room.
func (c *connByMu) addSeatLocked(s *Seat) {
	if !slices.Contains(c.seats, s) {
		c.seats = append(c.seats, s)
	}
}

func (c *connByMu) removeSeatLocked(s *Seat) {
	if i := slices.Index(c.seats, s); i >= 0 {
		c.seats = slices.Delete(c.seats, i, i+1)
	}
}

// Binding is the identity that a connection is bound to. It is immutable; a change
// swaps the pointer.
type Binding struct {
	Identified
	Version int32  // counts the changes of Identity
	Claim   *Claim // what the connection becomes with a proof; nil if there is none
}

// Expired reports whether the binding has expired.
func (b *Binding) Expired(now time.Time) bool { return !b.Expires.IsZero() && !now.Before(b.Expires) }

// IsLeftBy reports whether id is what the expired cookies of the binding leave of it.
// The poll that fetches the last messages of a connection comes without them.
func (b *Binding) IsLeftBy(id Identity, now time.Time) bool {
	return b.Expired(now) && (id.Session == "" || id.Session == b.Session) && (id.User == "" || id.User == b.User)
}

// isOf reports whether a connection belongs to a session, or claims to.
func (b *Binding) isOf(session string) bool {
	return b.Session == session || b.Claim != nil && b.Claim.To.Session == session
}

// next returns the binding that follows with another identity.
func (b *Binding) next(to Identified) *Binding {
	return &Binding{Identified: to, Version: b.Version + 1}
}

// bindLocked gives a connection another binding and puts it, and its visible seats,
// under the keys of that.
func (h *Hub) bindLocked(c *Conn, to *Binding) {
	from := c.Binding()
	c.binding.Store(to)
	if from.Claim != nil {
		h.claims.removeLocked(c, from.Claim)
	}
	if to.Claim != nil {
		h.claims.addLocked(c, to.Claim)
	}
	h.identities.moveLocked(from.Identity, to.Identity)
	for k := Session; k < kinds; k++ {
		was, is := from.Key(k), to.Key(k)
		if was == is {
			continue
		}
		if is != "" {
			h.conns[k].add(is, c)
		}
		if was != "" {
			h.conns[k].remove(was, c)
		}
		for _, s := range c.seats {
			if !s.visible {
				continue
			}
			if is != "" {
				h.enterLocked(Key{k, is}, s)
			}
			if was != "" {
				h.exitLocked(Key{k, was}, s)
			}
		}
	}
}

// connsLocked returns the connections under a session or user. The list must not be
// changed.
func (h *Hub) connsLocked(k Key) []*Conn { return h.conns[k.Kind].members(k.ID) }

// Conns returns the connections under a session or user, seated or not. The list
// must not be changed.
func (h *Hub) Conns(k Key) []*Conn {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.connsLocked(k)
}

// Forget takes a connection that has ended, and its seats, out of every index.
func (h *Hub) Forget(c *Conn) PresenceWork {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeLocked(c)
	return h.presence.workLocked()
}

// removeLocked takes a connection and its seats out of every index, for good.
func (h *Hub) removeLocked(c *Conn) {
	if c.removed || c.Binding() == nil {
		return
	}
	c.removed = true
	b := c.Binding()
	if b.Claim != nil {
		h.claims.removeLocked(c, b.Claim)
	}
	h.identities.moveLocked(b.Identity, Identity{})
	for k := Session; k < kinds; k++ {
		if id := b.Key(k); id != "" {
			h.conns[k].remove(id, c)
		}
	}
	for len(c.seats) > 0 {
		h.removeSeatLocked(c.seats[len(c.seats)-1])
	}
}

// Live returns the binding of a connection of this identity, nil if there is none,
// and the number of changes in place so far, for RevokeIdentity.
func (h *Hub) Live(id Identity) (b *Binding, seen int) {
	h.mu.RLock()
	seen, conns := h.inPlace.n, h.connsLocked(id.mainKey())
	h.mu.RUnlock()
	for _, c := range conns {
		if b := c.Binding(); b.Identity == id {
			return b, seen
		}
	}
	return nil, seen
}
