// Package index has indexes that are read far more often than they change.
// Their users guard them.
package index

import (
	"iter"
	"slices"
	"sync/atomic"
)

// Index is groups by id. Most have one member, that of a browser with one tab,
// and these take no more than an entry of a map. The zero value is empty.
type Index[T comparable] struct {
	lone map[string]T
	many map[string]*Group[T]
}

// Len is the number of ids.
func (x *Index[T]) Len() int { return len(x.lone) + len(x.many) }

// Has reports whether there is a member under an id.
func (x *Index[T]) Has(id string) bool {
	_, lone := x.lone[id]
	return lone || x.many[id] != nil
}

// Members returns the members under an id. The list is never changed in place.
func (x *Index[T]) Members(id string) []T {
	if v, lone := x.lone[id]; lone {
		return []T{v}
	}
	if g := x.many[id]; g != nil {
		return g.Snapshot()
	}
	return nil
}

// Count is the length of Members.
func (x *Index[T]) Count(id string) int {
	if _, lone := x.lone[id]; lone {
		return 1
	}
	if g := x.many[id]; g != nil {
		return g.Len()
	}
	return 0
}

// IDs walks the ids, in no order. The index must not change meanwhile.
func (x *Index[T]) IDs() iter.Seq[string] {
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

// Add puts v, which is not there, under an id, and reports whether it is the
// first.
func (x *Index[T]) Add(id string, v T) (first bool) {
	if g := x.many[id]; g != nil {
		g.Add(v)
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
		x.many = make(map[string]*Group[T])
	}
	g := new(Group[T])
	g.Add(other)
	g.Add(v)
	x.many[id] = g
	return false
}

// Remove takes v from under an id, and reports whether it was the last.
func (x *Index[T]) Remove(id string, v T) (last bool) {
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
	g.Remove(v)
	if g.Len() > 0 {
		return false
	}
	delete(x.many, id)
	return true
}

// Group is a set. Several goroutines may call Snapshot and Len at a time, while
// none changes the set. The zero value is empty.
type Group[T comparable] struct {
	list   []T
	at     map[T]int   // the position of each member, once the list is long
	shared atomic.Bool // a snapshot may be in use
}

// searched is the length up to which a list is searched and not indexed.
const searched = 32

// Snapshot returns the members. It copies nothing: the list is never changed in
// place from then on.
func (g *Group[T]) Snapshot() []T {
	if len(g.list) == 0 {
		return nil
	}
	if !g.shared.Load() { // many read at a time, and should not have to write
		g.shared.Store(true)
	}
	return g.list[:len(g.list):len(g.list)]
}

// Len is the number of members.
func (g *Group[T]) Len() int { return len(g.list) }

// Add appends v, which is not in the set. Snapshots end before it.
func (g *Group[T]) Add(v T) {
	g.list = append(g.list, v)
	switch {
	case g.at != nil:
		g.at[v] = len(g.list) - 1
	case len(g.list) > searched:
		g.at = make(map[T]int, 2*searched)
		for i, v := range g.list {
			g.at[v] = i
		}
	}
}

// Remove takes v out, if it is in.
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
	if g.at != nil {
		g.at[moved] = i
		delete(g.at, v)
	}
	g.list = g.list[:last]
	if last <= searched/2 {
		g.at = nil
	}
}

func (g *Group[T]) find(v T) (int, bool) {
	if g.at != nil {
		i, in := g.at[v]
		return i, in
	}
	i := slices.Index(g.list, v)
	return i, i >= 0
}
