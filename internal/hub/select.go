package hub

import (
	"slices"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// Select returns the selected seats. The list must not be changed.
func (h *Hub) Select(sel *command.Selector) []*Seat {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.selectLocked(sel)
}

// Receivers returns the seats of Select, and the seats that would be selected
// after the proof of their claims. The caller holds messages for these until
// the proof.
func (h *Hub) Receivers(sel *command.Selector) []*Seat {
	h.mu.RLock()
	defer h.mu.RUnlock()
	seats := h.selectLocked(sel)
	if len(h.claimants) == 0 || !sel.IsPersonal() || h.scopeLocked(sel.Namespace) == nil {
		return seats
	}
	return append(slices.Clip(seats), h.claimantsLocked(sel)...)
}

func (h *Hub) selectLocked(sel *command.Selector) []*Seat {
	sc := h.scopeLocked(sel.Namespace)
	if sc == nil {
		return nil
	}
	var seats []*Seat
	switch {
	case sel.Keys == nil:
		seats = sc.everyone.Snapshot()
	case len(sel.Keys) == 1 && !slices.ContainsFunc(sel.IDs, func(id string) bool { return h.visibleLocked(sel.Namespace, id) != nil }):
		seats = sc.underLocked(sel.Keys[0])
	default:
		seen := make(map[*Seat]struct{})
		add := func(s *Seat) {
			if _, dup := seen[s]; !dup {
				seen[s] = struct{}{}
				seats = append(seats, s)
			}
		}
		for _, k := range sel.Keys {
			for _, s := range sc.underLocked(k) {
				add(s)
			}
		}
		for _, id := range sel.IDs {
			if s := h.visibleLocked(sel.Namespace, id); s != nil {
				add(s)
			}
		}
	}
	if sel.Requires == command.Room && len(sel.Except) == 0 && len(sel.ExceptIDs) == 0 {
		return seats
	}
	except := h.exceptionsLocked(sel)
	kept := make([]*Seat, 0, len(seats))
	for _, s := range seats {
		if (sel.Requires == command.Room || s.conn.Binding().Key(sel.Requires) != "") && !except.containLocked(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// exceptions are the seats that a selector excludes.
type exceptions struct {
	keys  []command.Key
	seats []*Seat
	ids   []string // of seats that are not visible or do not exist
}

// exceptionsLocked looks up the seats of ExceptIDs once, so that the ids of the
// selected seats need not be compared.
func (h *Hub) exceptionsLocked(sel *command.Selector) exceptions {
	except := exceptions{keys: sel.Except}
	for _, id := range sel.ExceptIDs {
		if s := h.visibleLocked(sel.Namespace, id); s != nil {
			except.seats = append(except.seats, s)
		} else {
			except.ids = append(except.ids, id)
		}
	}
	return except
}

func (e *exceptions) containLocked(s *Seat) bool {
	return slices.ContainsFunc(e.keys, s.isUnderLocked) || slices.Contains(e.seats, s) ||
		len(e.ids) > 0 && slices.Contains(e.ids, s.id)
}

// Occupied reports whether seats of a namespace have a key or, if the key is a
// room, its name as their id. With an empty id it reports whether there are
// visible seats in the namespace.
func (h *Hub) Occupied(namespace string, k command.Key) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	sc := h.scopeLocked(namespace)
	switch {
	case sc == nil:
		return false
	case k.ID == "":
		return sc.everyone.Len() > 0
	}
	return sc.keyed[k.Kind].Has(k.ID) || k.Kind == command.Room && h.visibleLocked(namespace, k.ID) != nil ||
		k.Kind != command.Room && h.claims[k.Kind].Has(k.ID)
}

// isUnderLocked reports whether the seat has a key.
func (s *Seat) isUnderLocked(k command.Key) bool {
	if k.Kind == command.Room {
		_, in := s.rooms[k.ID]
		return in
	}
	return s.conn.Binding().Key(k.Kind) == k.ID
}

// IDs returns the ids of a kind that have visible seats in the namespace or, if
// that is empty, in the whole server.
func (h *Hub) IDs(namespace string, k command.Kind) []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	sc := h.scopeLocked(namespace)
	if sc == nil {
		return nil
	}
	keyed := &sc.keyed[k]
	return slices.AppendSeq(make([]string, 0, keyed.Len()), keyed.IDs())
}

// Count returns the length of IDs.
func (h *Hub) Count(namespace string, k command.Kind) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if sc := h.scopeLocked(namespace); sc != nil {
		return sc.keyed[k].Len()
	}
	return 0
}

// CountUnder returns the number of seats of a key.
func (h *Hub) CountUnder(namespace string, k command.Key) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if sc := h.scopeLocked(namespace); sc != nil {
		return sc.keyed[k.Kind].Count(k.ID)
	}
	return 0
}

// Len returns the number of visible seats.
func (h *Hub) Len(namespace string) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if sc := h.scopeLocked(namespace); sc != nil {
		return sc.everyone.Len()
	}
	return 0
}

// Seat returns the visible seat with this id in a namespace or, if that is
// empty, in any namespace. It is nil if there is none.
func (h *Hub) Seat(namespace, id string) *Seat {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.visibleLocked(namespace, id)
}

// claimantsLocked returns the visible seats that a selector does not match yet,
// but would match after the proof of their claims.
func (h *Hub) claimantsLocked(sel *command.Selector) (found []*Seat) {
	several := len(sel.Keys) > 1 // then a seat can match more than one
	except := h.exceptionsLocked(sel)
	add := func(s *Seat) {
		b := s.conn.Binding()
		switch {
		case !s.visible || b.Claim == nil || !b.Claim.wouldMatch(sel, b):
		case sel.Namespace != "" && sel.Namespace != s.namespace.name || except.containLocked(s):
		case several && slices.Contains(found, s):
		default:
			found = append(found, s)
		}
	}
	addAll := func(c *Conn) {
		for _, s := range c.seats {
			add(s)
		}
	}
	if len(sel.Keys) == 0 {
		for _, c := range h.claimants {
			addAll(c)
		}
	}
	for _, k := range sel.Keys {
		if k.Kind == command.Room {
			for _, s := range h.scopeLocked(sel.Namespace).underLocked(k) {
				add(s)
			}
			continue
		}
		for _, c := range h.claims[k.Kind].Members(k.ID) {
			addAll(c)
		}
	}
	return found
}

// Online returns the ids, among those given, that are online in a namespace or,
// if that is empty, in the whole server. An id is online if it has a visible
// seat, or had one less than Config.PresenceGrace ago.
func (h *Hub) Online(namespace string, k command.Kind, ids []string) []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	sc := h.scopeLocked(namespace)
	if sc == nil {
		return nil
	}
	var online []string
	for _, id := range ids {
		if sc.keyed[k].Has(id) || h.presence.IsInGrace(presence.Key{Namespace: namespace, Key: command.Key{Kind: k, ID: id}}) {
			online = append(online, id)
		}
	}
	return online
}
