package hub

import (
	"slices"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// Select returns the seats that the selector means now. The list must not be
// changed.
func (h *Hub) Select(sel *command.Selector) []*Seat {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.selectLocked(sel)
}

// Receivers returns the seats of Select, and those that the selector would mean
// if their claims were proven: a message is held for these until then.
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
	case len(sel.Keys) == 1:
		seats = sc.underLocked(sel.Keys[0])
	default:
		seen := make(map[*Seat]struct{})
		for _, k := range sel.Keys {
			for _, s := range sc.underLocked(k) {
				if _, dup := seen[s]; !dup {
					seen[s] = struct{}{}
					seats = append(seats, s)
				}
			}
		}
	}
	if sel.Having == command.Room && len(sel.Except) == 0 && len(sel.ExceptIDs) == 0 {
		return seats
	}
	except := h.exceptionsLocked(sel)
	kept := make([]*Seat, 0, len(seats))
	for _, s := range seats {
		if (sel.Having == command.Room || s.conn.Binding().Key(sel.Having) != "") && !except.haveLocked(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// exceptions are the seats that a selector leaves out.
type exceptions struct {
	keys  []command.Key
	seats []*Seat
	ids   []string // of seats that are not visible, or not there
}

// exceptionsLocked looks up the seats of ExceptIDs once, which spares a look at
// the id of each seat that is selected.
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

func (e *exceptions) haveLocked(s *Seat) bool {
	return slices.ContainsFunc(e.keys, s.isUnderLocked) || slices.Contains(e.seats, s) ||
		len(e.ids) > 0 && slices.Contains(e.ids, s.id)
}

// isUnderLocked reports whether the seat is to be found under a key.
func (s *Seat) isUnderLocked(k command.Key) bool {
	if k.Kind == command.Room {
		_, in := s.rooms[k.ID]
		return in
	}
	return s.conn.Binding().Key(k.Kind) == k.ID
}

// IDs returns the ids of a kind under which seats are in the namespace, or in
// the whole server if that is empty.
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

// Count is the length of IDs.
func (h *Hub) Count(namespace string, k command.Kind) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if sc := h.scopeLocked(namespace); sc != nil {
		return sc.keyed[k].Len()
	}
	return 0
}

// CountUnder is the number of seats under a key.
func (h *Hub) CountUnder(namespace string, k command.Key) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if sc := h.scopeLocked(namespace); sc != nil {
		return sc.keyed[k.Kind].Count(k.ID)
	}
	return 0
}

// Len is the number of visible seats.
func (h *Hub) Len(namespace string) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if sc := h.scopeLocked(namespace); sc != nil {
		return sc.everyone.Len()
	}
	return 0
}

// Seat returns the visible seat of this id in a namespace or, if that is empty,
// in any. It is nil if there is none.
func (h *Hub) Seat(namespace, id string) *Seat {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.visibleLocked(namespace, id)
}

// claimantsLocked returns the visible seats that a selector would mean if their
// claims were proven, and does not mean yet.
func (h *Hub) claimantsLocked(sel *command.Selector) (found []*Seat) {
	several := len(sel.Keys) > 1 // of which one seat can be under more than one
	except := h.exceptionsLocked(sel)
	add := func(s *Seat) {
		b := s.conn.Binding()
		switch {
		case !s.visible || b.Claim == nil || !b.Claim.means(sel, b):
		case sel.Namespace != "" && sel.Namespace != s.namespace.name || except.haveLocked(s):
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

// Online returns which of these ids have a visible seat, or had one until less
// than Config.PresenceGrace ago, in a namespace or, if that is empty, in the
// whole server.
func (h *Hub) Online(namespace string, k command.Kind, ids []string) []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	sc := h.scopeLocked(namespace)
	if sc == nil {
		return nil
	}
	var online []string
	for _, id := range ids {
		if sc.keyed[k].Has(id) || h.presence.Lingers(presence.Key{Namespace: namespace, Key: command.Key{Kind: k, ID: id}}) {
			online = append(online, id)
		}
	}
	return online
}
