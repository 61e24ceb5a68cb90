package hub

import "slices"

// Selector is an address: the visible seats of a namespace, or of the whole server,
// that match it. It is a value and has no pointers, so that it can be stored and sent.
// The zero value selects every seat of the server.
type Selector struct {
	Namespace string   // empty: the whole server
	Keys      []Key    // seats under any of them; nil: every seat
	Having    Kind     // Session or User: only seats that have one; Room, the zero Kind: all
	Except    []Key    // no seat under any of these
	ExceptIDs []string // no seat with one of these ids
}

// IsPersonal reports whether the selector is for people. Whom it reaches by rooms or
// as everybody does not depend on who they are.
func (sel *Selector) IsPersonal() bool {
	return sel.Having != Room || slices.ContainsFunc(sel.Keys, func(k Key) bool { return k.Kind != Room })
}

// Means reports whether the selector, which selected a seat before, still does when
// the seat has this identity.
func (sel *Selector) Means(id Identity) bool {
	if sel.Having != Room && id.Key(sel.Having) == "" {
		return false
	}
	for _, k := range sel.Keys {
		if k.Kind == Room || id.Key(k.Kind) == k.ID {
			return true
		}
	}
	return len(sel.Keys) == 0
}

// Clone returns a copy to be kept. It shares the slices, which are never changed.
func (sel *Selector) Clone() *Selector {
	kept := *sel
	return &kept
}

// Select returns the seats that the selector means now. The list must not be changed.
func (h *Hub) Select(sel *Selector) []*Seat {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.selectLocked(sel)
}

// Receivers is Select and the seats that the selector would mean if their claims were
// proven: a message is held for these until they are.
func (h *Hub) Receivers(sel *Selector) []*Seat {
	h.mu.RLock()
	defer h.mu.RUnlock()
	seats := h.selectLocked(sel)
	if len(h.claims.byValue) == 0 || !sel.IsPersonal() {
		return seats
	}
	return append(slices.Clip(seats), h.claimantsLocked(sel)...)
}

func (h *Hub) selectLocked(sel *Selector) []*Seat {
	sc := h.scopeLocked(sel.Namespace)
	if sc == nil {
		return nil
	}
	var seats []*Seat
	switch {
	case sel.Keys == nil:
		seats = sc.everyone.snapshot()
	case len(sel.Keys) == 1:
		seats = sc.under(sel.Keys[0])
	default:
		seen := make(map[*Seat]struct{})
		for _, k := range sel.Keys {
			for _, s := range sc.under(k) {
				if _, dup := seen[s]; !dup {
					seen[s] = struct{}{}
					seats = append(seats, s)
				}
			}
		}
	}
	if sel.Having == Room && len(sel.Except) == 0 && len(sel.ExceptIDs) == 0 {
		return seats
	}
	except := h.exceptionsLocked(sel)
	kept := make([]*Seat, 0, len(seats))
	for _, s := range seats {
		if (sel.Having == Room || s.conn.Binding().Key(sel.Having) != "") && !except.haveLocked(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// under returns the seats under a key. Hub.mu must be held.
func (sc *scope) under(k Key) []*Seat { return sc.keyed[k.Kind].members(k.ID) }

// exceptions are the seats that a selector leaves out.
type exceptions struct {
	keys  []Key
	seats []*Seat
	ids   []string // of seats that are not visible, or not there
}

// exceptionsLocked looks up the seats of ExceptIDs once, which spares a look at the
// id of each seat that is selected.
func (h *Hub) exceptionsLocked(sel *Selector) exceptions {
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
func (s *Seat) isUnderLocked(k Key) bool {
	if k.Kind == Room {
		_, in := s.rooms[k.ID]
		return in
	}
	return s.conn.Binding().Key(k.Kind) == k.ID
}

// IDs returns the ids of a kind under which seats are in the namespace, or in the
// whole server if that is empty.
func (h *Hub) IDs(namespace string, k Kind) []string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	sc := h.scopeLocked(namespace)
	if sc == nil {
		return nil
	}
	keyed := &sc.keyed[k]
	return slices.AppendSeq(make([]string, 0, keyed.len()), keyed.ids())
}

// Count is the length of IDs.
func (h *Hub) Count(namespace string, k Kind) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if sc := h.scopeLocked(namespace); sc != nil {
		return sc.keyed[k].len()
	}
	return 0
}

// CountUnder is the number of seats under a key.
func (h *Hub) CountUnder(namespace string, k Key) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if sc := h.scopeLocked(namespace); sc != nil {
		return sc.keyed[k.Kind].count(k.ID)
	}
	return 0
}

// Len is the number of visible seats.
func (h *Hub) Len(namespace string) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if sc := h.scopeLocked(namespace); sc != nil {
		return sc.everyone.len()
	}
	return 0
}
