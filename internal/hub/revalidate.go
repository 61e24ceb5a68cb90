package hub

import "github.com/mojosocket/mojo/internal/command"

// Live returns the binding of a connection with this identity, nil if there is
// none. It also returns the number of changes in place, for
// RevokeIdentity.Seen.
func (h *Hub) Live(id command.Identity) (b *Binding, seen int) {
	h.mu.RLock()
	seen, conns := h.inPlace.Count(), h.connsLocked(id.MainKey())
	h.mu.RUnlock()
	for _, c := range conns {
		if b := c.Binding(); b.Identity == id {
			return b, seen
		}
	}
	return nil, seen
}

// Identities returns the number of identities that have connections. Like
// SlotOf, SlotLen and Portion it needs Config.Revalidate.
func (h *Hub) Identities() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.identities.Len()
}

// SlotOf returns the slot of an identity, from 0 to slots.Count-1. It needs no
// lock.
func (h *Hub) SlotOf(id command.Identity) int { return h.identities.Of(id) }

// SlotLen returns the number of identities in a slot.
func (h *Hub) SlotLen(slot int) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.identities.SlotLen(slot)
}

// Portion returns some of the identities of a slot, see slots.Slots.Portion.
func (h *Hub) Portion(slot, round, end int) (due []command.Identity, next int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.identities.Portion(slot, round, end)
}
