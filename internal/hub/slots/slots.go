// Package slots divides keys into slots, so that each of them can have its turn
// without a walk through all. Package hub guards it.
package slots

import "hash/maphash"

// N is how many slots there are.
const N = 64

// PortionSize is how many keys Portion looks at.
const PortionSize = 256

// Slots is a set of keys that counts how often each was added. The slot of a
// key is given by its hash. Set it up with New.
type Slots[K comparable] struct {
	seed  maphash.Seed
	slots [N]slot[K]
	n     int // keys in all slots
}

// slot is the keys of one slot, in no order.
type slot[K comparable] struct {
	list  []listed[K]
	index map[K]int // into list
}

type listed[K comparable] struct {
	key   K
	count int
	turn  int // the last one in which it was returned
}

// New returns an empty set.
func New[K comparable]() *Slots[K] { return &Slots[K]{seed: maphash.MakeSeed()} }

// Of returns the slot of a key. It is safe for concurrent use.
func (x *Slots[K]) Of(k K) int { return int(maphash.Comparable(x.seed, k) % N) }

// Len is the number of keys.
func (x *Slots[K]) Len() int { return x.n }

// SlotLen is the number of keys in a slot, of 0 to N-1.
func (x *Slots[K]) SlotLen(slot int) int { return len(x.slots[slot].list) }

// Add adds a key once more.
func (x *Slots[K]) Add(k K) {
	s := &x.slots[x.Of(k)]
	i, in := s.index[k]
	if !in {
		if s.index == nil {
			s.index = make(map[K]int)
		}
		i = len(s.list)
		s.index[k] = i
		s.list = append(s.list, listed[K]{key: k})
		x.n++
	}
	s.list[i].count++
}

// Remove removes a key once. The last key of a slot takes the place of one that
// is removed for good.
func (x *Slots[K]) Remove(k K) {
	s := &x.slots[x.Of(k)]
	i, in := s.index[k]
	if !in {
		return
	}
	if s.list[i].count--; s.list[i].count > 0 {
		return
	}
	last := len(s.list) - 1
	delete(s.index, k)
	if i < last {
		s.list[i] = s.list[last]
		s.index[s.list[i].key] = i
	}
	s.list[last] = listed[K]{}
	s.list = s.list[:last]
	x.n--
	if last == 0 {
		*s = slot[K]{}
	}
}

// Portion returns the keys of a portion of a slot, which ends at `at`, and
// where the next portion ends; begin with SlotLen, and end when that is 0. Each
// key is returned once a turn.
//
// The walk goes from the end of the slot to its beginning: a key from the end
// takes the place of one that is removed meanwhile. One that was returned may
// be met again, and is known by its turn, and none is passed over. Keys that
// are added meanwhile wait for the next turn of the slot.
func (x *Slots[K]) Portion(slot, turn, at int) (due []K, next int) {
	list := x.slots[slot].list
	at = min(at, len(list))
	next = max(at-PortionSize, 0)
	for i := at - 1; i >= next; i-- {
		if l := &list[i]; l.turn != turn {
			l.turn = turn
			due = append(due, l.key)
		}
	}
	return due, next
}
