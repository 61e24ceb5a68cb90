package hub

import "iter"

// index is groups by id. Most have one member, in a browser with one tab, and these
// take no more than their place in a map. Hub.mu guards it.
type index[T comparable] struct {
	lone map[string]T
	many map[string]*group[T]
}

// len is the number of ids.
func (x *index[T]) len() int { return len(x.lone) + len(x.many) }

func (x *index[T]) has(id string) bool {
	_, lone := x.lone[id]
	return lone || x.many[id] != nil
}

// members returns who is under an id. The list is never changed in place.
func (x *index[T]) members(id string) []T {
	if v, lone := x.lone[id]; lone {
		return []T{v}
	}
	if g := x.many[id]; g != nil {
		return g.snapshot()
	}
	return nil
}

// count is the length of members.
func (x *index[T]) count(id string) int {
	if _, lone := x.lone[id]; lone {
		return 1
	}
	if g := x.many[id]; g != nil {
		return g.len()
	}
	return 0
}

// ids walks the ids, in no order. The index must not change meanwhile.
func (x *index[T]) ids() iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range x.lone {
			if !yield(id) {
				return
			}
		}
		for id := range x.many {
			if !yield(id) {
				return
			}
		}
	}
}

// add puts v, which is not there, under an id, and reports whether it is the first.
func (x *index[T]) add(id string, v T) (first bool) {
	if g := x.many[id]; g != nil {
		g.add(v)
		return false
	}
	other, lone := x.lone[id]
	if !lone {
		if x.lone == nil {
			x.lone = make(map[string]T)
		}
		x.lone[id] = v
		return true
	}
	delete(x.lone, id)
	if x.many == nil {
		x.many = make(map[string]*group[T])
	}
	g := new(group[T])
	g.add(other)
	g.add(v)
	x.many[id] = g
	return false
}

// remove takes v from under an id, and reports whether it was the last.
func (x *index[T]) remove(id string, v T) (last bool) {
	if other, lone := x.lone[id]; lone {
		if other == v {
			delete(x.lone, id)
		}
		return other == v
	}
	g := x.many[id]
	if g == nil {
		return false
	}
	g.remove(v)
	if g.len() > 0 {
		return false
	}
	delete(x.many, id)
	return true
}
