package hub

import "hash/maphash"

// Slots is how many slots the identities that are connected are divided into.
const Slots = 64

// PortionSize is how many identities Portion looks at while it holds the lock.
const PortionSize = 256

// identities lists the identities that are connected, in slots, so that a site can be
// asked about each of them in turn without a walk through all connections. The slot
// of an identity is given by its hash. Hub.mu guards it.
type identities struct {
	kept  bool // without Config.Revalidate nothing is listed
	seed  maphash.Seed
	slots [Slots]identitySlot
	n     int // in all slots
}

// identitySlot is the identities of one slot, in no order.
type identitySlot struct {
	list  []listedIdentity
	index map[Identity]int // into list
}

type listedIdentity struct {
	Identity
	conns int
	turn  int // the last one in which it was returned
}

func (x *identities) init(kept bool) { x.kept, x.seed = kept, maphash.MakeSeed() }

func (x *identities) slotOf(id Identity) int {
	return int(maphash.Comparable(x.seed, id) % Slots)
}

// moveLocked notes that a connection has got another identity: from the zero Identity
// when it begins, to the zero Identity when it ends.
func (x *identities) moveLocked(from, to Identity) {
	if !x.kept || from == to {
		return
	}
	if to != (Identity{}) {
		x.addLocked(to)
	}
	if from != (Identity{}) {
		x.removeLocked(from)
	}
}

func (x *identities) addLocked(id Identity) {
	slot := &x.slots[x.slotOf(id)]
	i, in := slot.index[id]
	if !in {
		if slot.index == nil {
			slot.index = make(map[Identity]int)
		}
		i = len(slot.list)
		slot.index[id] = i
		slot.list = append(slot.list, listedIdentity{Identity: id})
		x.n++
	}
	slot.list[i].conns++
}

// removeLocked takes one connection from an identity. The last entry of a slot takes
// the place of one that is removed.
func (x *identities) removeLocked(id Identity) {
	slot := &x.slots[x.slotOf(id)]
	i, in := slot.index[id]
	if !in {
		return
	}
	if slot.list[i].conns--; slot.list[i].conns > 0 {
		return
	}
	last := len(slot.list) - 1
	delete(slot.index, id)
	if i < last {
		slot.list[i] = slot.list[last]
		slot.index[slot.list[i].Identity] = i
	}
	slot.list[last] = listedIdentity{}
	slot.list = slot.list[:last]
	x.n--
	if last == 0 {
		*slot = identitySlot{}
	}
}

// Identities is the number of identities that are connected, with Config.Revalidate.
func (h *Hub) Identities() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.identities.n
}

// SlotLen is the number of identities in a slot, of 0 to Slots-1.
func (h *Hub) SlotLen(slot int) int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.identities.slots[slot].list)
}

// SlotOf returns the slot of an identity.
func (h *Hub) SlotOf(id Identity) int { return h.identities.slotOf(id) }

// Portion returns the identities of a portion of a slot, which ends at `at`, and
// where the next portion ends; begin with SlotLen, and end when that is 0. Each
// identity is returned once a turn.
//
// The walk goes from the end of the slot to its beginning: an entry from the end takes
// the place of one that is removed meanwhile. One that was returned may be met again,
// and is known by its turn, and none is passed over. Identities that are added
// meanwhile wait for the next turn of the slot.
func (h *Hub) Portion(slot, turn, at int) (due []Identity, next int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.identities.slots[slot].list
	at = min(at, len(list))
	next = max(at-PortionSize, 0)
	for i := at - 1; i >= next; i-- {
		if e := &list[i]; e.turn != turn {
			e.turn = turn
			due = append(due, e.Identity)
		}
	}
	return due, next
}
