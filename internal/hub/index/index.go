// Package index has indexes that are read far more often than they change. The
// caller must hold a lock.
package index

import (
	"iter"
	"slices"
	"sync/atomic"
)

// Index has groups of members by id. Most groups have one member, because most
// browsers have one tab. Such a group takes only an entry of a map. The zero
// value is empty.
type Index[T comparable] struct {
	single map[string]T
	groups map[string]*Group[T]
}

// Len returns the number of ids.
func (x *Index[T]) Len() int { return len(x.single) + len(x.groups) }

// Has reports whether an id has a member.
func (x *Index[T]) Has(id string) bool {
	_, single := x.single[id]
	return single || x.groups[id] != nil
}

// Members returns the members of an id. The list is never changed in place.
func (x *Index[T]) Members(id string) []T {
	if v, single := x.single[id]; single {
		return []T{v}
	}
	if g := x.groups[id]; g != nil {
		return g.Snapshot()
	}
	return nil
}

// Count returns the length of Members.
func (x *Index[T]) Count(id string) int {
	if _, single := x.single[id]; single {
		return 1
	}
	if g := x.groups[id]; g != nil {
		return g.Len()
	}
	return 0
}

// IDs iterates over the ids in no particular order. The index must not change
// meanwhile.
func (x *Index[T]) IDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range x.single {
			if !yield(id) {
				return
			}
		}
		for id := range x.groups {
			if !yield(id) {
				return
			}
		}
	}
}

// Add adds v to an id and reports whether it is the first member. The id must
// not have v yet.
func (x *Index[T]) Add(id string, v T) (first bool) {
	if g := x.groups[id]; g != nil {
		g.Add(v)
		return false
	}
	other, single := x.single[id]
	if !single {
		if x.single == nil {
			x.single = make(map[string]T)
		}
		x.single[id] = v
		return true
	}
	delete(x.single, id)
	if x.groups == nil {
		x.groups = make(map[string]*Group[T])
	}
	g := new(Group[T])
	g.Add(other)
	g.Add(v)
	x.groups[id] = g
	return false
}

// Remove removes v from an id and reports whether it was the last member.
func (x *Index[T]) Remove(id string, v T) (last bool) {
	if other, single := x.single[id]; single {
		if other == v {
			delete(x.single, id)
		}
		return other == v
	}
	g := x.groups[id]
	if g == nil {
		return false
	}
	g.Remove(v)
	if g.Len() > 0 {
		return false
	}
	delete(x.groups, id)
	return true
}

// Group is a set. Several goroutines may call Snapshot and Len at the same time
// if none changes the set. The zero value is empty.
type Group[T comparable] struct {
	list      []T
	positions map[T]int   // the position of each member; nil for a short list
	shared    atomic.Bool // a snapshot may be in use
}

// maxLinear is the greatest length of a list that has no positions, and is
// searched linearly.
const maxLinear = 32

// Snapshot returns the members without copying them. Later changes of the set
// do not change the returned slice.
func (g *Group[T]) Snapshot() []T {
	if len(g.list) == 0 {
		return nil
	}
	if !g.shared.Load() { // avoids concurrent writes by many readers
		g.shared.Store(true)
	}
	return g.list[:len(g.list):len(g.list)]
}

// Len returns the number of members.
func (g *Group[T]) Len() int { return len(g.list) }

// Add adds v, which must not be in the set. Earlier snapshots do not contain
// it.
func (g *Group[T]) Add(v T) {
	g.list = append(g.list, v)
	switch {
	case g.positions != nil:
		g.positions[v] = len(g.list) - 1
	case len(g.list) > maxLinear:
		g.positions = make(map[T]int, 2*maxLinear)
		for i, v := range g.list {
			g.positions[v] = i
		}
	}
}

// Remove removes v if it is in the set.
func (g *Group[T]) Remove(v T) {
	i, in := g.find(v)
	if !in {
		return
	}
	last := len(g.list) - 1
	if g.shared.Load() || len(g.list) < cap(g.list)/4 {
		g.list = slices.Clone(g.list)
		g.shared.Store(false)
	}
	var zero T
	moved := g.list[last]
	g.list[i] = moved
	g.list[last] = zero
	if g.positions != nil {
		g.positions[moved] = i
		delete(g.positions, v)
	}
	g.list = g.list[:last]
	if last <= maxLinear/2 {
		g.positions = nil
	}
}

func (g *Group[T]) find(v T) (int, bool) {
	if g.positions != nil {
		i, in := g.positions[v]
		return i, in
	}
	i := slices.Index(g.list, v)
	return i, i >= 0
}
