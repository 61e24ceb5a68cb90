// Package slots divides a set of keys into slots, so that a caller can process
// one slot at a time and does not have to iterate over all keys. The caller
// must hold a lock.
package slots

import "hash/maphash"

// Count is the number of slots.
const Count = 64

// PortionSize is the largest number of keys that Portion visits.
const PortionSize = 256

// Slots is a set of keys. It counts how often each key was added. The hash of a
// key determines its slot. Make one with New.
type Slots[K comparable] struct {
	seed  maphash.Seed
	slots [Count]slot[K]
	n     int // keys in all slots
}

// slot has the keys of one slot, in no particular order.
type slot[K comparable] struct {
	keys  []counted[K]
	index map[K]int // the position in keys
}

type counted[K comparable] struct {
	key   K
	count int
	round int // the latest round in which the key was returned
}

// New returns an empty set.
func New[K comparable]() *Slots[K] { return &Slots[K]{seed: maphash.MakeSeed()} }

// Of returns the slot of a key. It is safe for concurrent use.
func (x *Slots[K]) Of(k K) int { return int(maphash.Comparable(x.seed, k) % Count) }

// Len returns the number of keys.
func (x *Slots[K]) Len() int { return x.n }

// SlotLen returns the number of keys in a slot, from 0 to Count-1.
func (x *Slots[K]) SlotLen(slot int) int { return len(x.slots[slot].keys) }

// Add adds a key, or increments its count.
func (x *Slots[K]) Add(k K) {
	s := &x.slots[x.Of(k)]
	i, in := s.index[k]
	if !in {
		if s.index == nil {
			s.index = make(map[K]int)
		}
		i = len(s.keys)
		s.index[k] = i
		s.keys = append(s.keys, counted[K]{key: k})
		x.n++
	}
	s.keys[i].count++
}

// Remove decrements the count of a key, and removes the key if the count is
// zero. The last key of the slot moves to the position of a removed key.
func (x *Slots[K]) Remove(k K) {
	s := &x.slots[x.Of(k)]
	i, in := s.index[k]
	if !in {
		return
	}
	if s.keys[i].count--; s.keys[i].count > 0 {
		return
	}
	last := len(s.keys) - 1
	delete(s.index, k)
	if i < last {
		s.keys[i] = s.keys[last]
		s.index[s.keys[i].key] = i
	}
	s.keys[last] = counted[K]{}
	s.keys = s.keys[:last]
	x.n--
	if last == 0 {
		*s = slot[K]{}
	}
}

// Portion returns keys of a slot. It visits a portion that ends before the
// position end, and returns the end of the next portion. The caller begins with
// SlotLen and stops when next is 0. Each key is returned once in a round.
//
// The portions go from the end of the slot to its beginning. If a key is
// removed meanwhile, a key from the end moves to its position. So Portion may
// visit a key again, which it knows by the round, and it misses no key. Keys
// that are added meanwhile are returned in the next round of the slot.
func (x *Slots[K]) Portion(slot, round, end int) (due []K, next int) {
	list := x.slots[slot].keys
	end = min(end, len(list))
	next = max(end-PortionSize, 0)
	for i := end - 1; i >= next; i-- {
		if l := &list[i]; l.round != round {
			l.round = round
			due = append(due, l.key)
		}
	}
	return due, next
}
