package hub

import (
	"slices"
	"sync/atomic"
)

// group is a set that is read far more often than it changes. snapshot costs
// nothing: the list it returns is never changed in place. Hub.mu guards it,
// for reading in snapshot.
type group[T comparable] struct {
	list   []T
	at     map[T]int   // where each stands, once the list is long
	shared atomic.Bool // a snapshot may be in use
}

// searched is the length up to which a list is searched and not indexed.
const searched = 32

func (g *group[T]) snapshot() []T {
	if len(g.list) == 0 {
		return nil
	}
	if !g.shared.Load() { // many read at a time, and should not have to write
		g.shared.Store(true)
	}
	return g.list[:len(g.list):len(g.list)]
}

func (g *group[T]) len() int { return len(g.list) }

// add appends v, which is not in the set. Snapshots end before it.
func (g *group[T]) add(v T) {
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

// remove takes v out, if it is in.
func (g *group[T]) remove(v T) {
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

func (g *group[T]) find(v T) (int, bool) {
	if g.at != nil {
		i, in := g.at[v]
		return i, in
	}
	i := slices.Index(g.list, v)
	return i, i >= 0
}
