package directory

import (
	"slices"
	"strings"
	"sync"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// shard has the entries of all nodes under the keys of one shard.
type shard struct {
	mu sync.RWMutex
	shardByMu
}

// shardByMu is guarded by shard.mu.
type shardByMu struct {
	// ids has the number of the first record of each id. The number does not
	// change while the id has records: an assignment would also replace the key
	// of the map by the string of the caller, which may refer to a whole
	// message.
	ids [command.NumKinds]map[string]uint32

	records []record // by number; the first is not used, because 0 means none
	free    uint32   // the first record of the list of free records
	used    int      // the number of records in use
}

// record is an entry without its key.
type record struct {
	node      uint32
	namespace uint32
	count     int32  // 0: the record is free; negative: Replace has not confirmed the entry yet
	next      uint32 // the next record of the same key, or the next free one
}

// isIn reports whether a record counts for a query about a namespace.
func (r record) isIn(namespace uint32) bool {
	if namespace == wholeServer {
		return r.namespace != claims
	}
	return r.namespace == namespace
}

// isOf reports whether a record is in use and belongs to a node.
func (r record) isOf(n *Node) bool { return r.node == n.number && r.count != 0 }

// isUnconfirmed reports whether Replace has not confirmed the entry yet.
func (r record) isUnconfirmed() bool { return r.count < 0 }

// all selects all records, for appendLocked.
func all(record) bool { return true }

// change sets the count of an entry.
type change struct {
	command.Key
	namespace *namespace
	count     int32
	copied    bool // the id is a copy that can be kept
}

// setLocked makes a change. It returns the previous count, and out with the
// transitions appended. It copies the id if it keeps or returns it.
func (s *shardByMu) setLocked(t *tables, n *Node, c change, out []Transition) (int32, []Transition) {
	var at, previous uint32
	var was int32
	inNamespace, inServer := false, false // whether there are other entries of the key
	first := s.ids[c.Kind][c.ID]
	for p, i := uint32(0), first; i != 0; p, i = i, s.records[i].next {
		r := s.records[i]
		if r.node == n.number && r.namespace == c.namespace.number {
			at, previous, was = i, p, max(r.count, -r.count)
			continue
		}
		inNamespace = inNamespace || r.isIn(c.namespace.number)
		inServer = inServer || r.isIn(wholeServer)
	}
	if at != 0 && c.count > 0 {
		s.records[at].count = c.count
		return was, out
	}
	if was == c.count {
		return was, out
	}
	if !c.copied {
		c.ID = strings.Clone(c.ID)
	}
	if at != 0 {
		s.removeLocked(c.Key, previous, at)
	} else {
		s.addLocked(c.Key, first, record{node: n.number, namespace: c.namespace.number, count: c.count})
	}
	if c.namespace.number == claims {
		return was, out
	}

	present := c.count > 0
	transition := func(ns *namespace) {
		if present {
			ns.ids[c.Kind].Add(1)
		} else {
			ns.ids[c.Kind].Add(-1)
		}
		out = append(out, Transition{presence.Key{Namespace: ns.name, Key: c.Key}, present})
	}
	if present && !inServer {
		transition(t.namespaces[wholeServer])
	}
	if !inNamespace {
		transition(c.namespace)
	}
	if !present && !inServer {
		transition(t.namespaces[wholeServer])
	}
	return was, out
}

// addLocked adds a record to a key, whose first record is given. It keeps the
// id.
func (s *shardByMu) addLocked(k command.Key, first uint32, r record) {
	i := s.free
	if i != 0 {
		s.free = s.records[i].next
	} else {
		if s.records == nil {
			s.records = make([]record, 1, 4)
		}
		i = uint32(len(s.records))
		s.records = append(s.records, record{})
	}
	s.used++
	if first != 0 {
		r.next, s.records[first].next = s.records[first].next, i
	} else {
		if s.ids[k.Kind] == nil {
			s.ids[k.Kind] = make(map[string]uint32)
		}
		s.ids[k.Kind][k.ID] = i
	}
	s.records[i] = r
}

// removeLocked removes the record with the number at. If it is the first of its
// key, previous is 0.
func (s *shardByMu) removeLocked(k command.Key, previous, at uint32) {
	next := s.records[at].next
	switch {
	case previous != 0:
		s.records[previous].next = next
	case next != 0:
		s.records[at] = s.records[next] // the first record of a key keeps its number
		at = next
	default:
		delete(s.ids[k.Kind], k.ID)
	}
	s.records[at] = record{next: s.free}
	s.free = at
	s.used--
}

// shrinkLocked frees memory after removals. A map never shrinks by itself.
func (s *shardByMu) shrinkLocked() {
	const small = 64
	if s.used > 0 && (len(s.records) < small || s.used > len(s.records)/4) {
		return
	}
	old := *s
	*s = shardByMu{}
	if old.used == 0 {
		return
	}
	s.records = make([]record, 1, 1+old.used)
	for kind, ids := range old.ids {
		if len(ids) == 0 {
			continue
		}
		s.ids[kind] = make(map[string]uint32, len(ids))
		for id, first := range ids {
			s.ids[kind][id] = uint32(len(s.records))
			for i := first; i != 0; i = old.records[i].next {
				r := old.records[i]
				if r.next != 0 {
					r.next = uint32(len(s.records)) + 1
				}
				s.records = append(s.records, r)
			}
		}
	}
	s.used = old.used
}

// appendLocked appends those entries of a node whose records are selected, in
// no particular order.
func (s *shardByMu) appendLocked(out []change, t *tables, n *Node, selected func(record) bool) []change {
	found := 0
	for _, r := range s.records { // much faster than the loop over the ids
		if r.isOf(n) && selected(r) {
			found++
		}
	}
	if found == 0 {
		return out
	}
	out = slices.Grow(out, found)
	for kind, ids := range s.ids {
		for id, first := range ids {
			for i := first; i != 0; i = s.records[i].next {
				if r := s.records[i]; r.isOf(n) && selected(r) {
					k := command.Key{Kind: command.Kind(kind), ID: id}
					out = append(out, change{k, t.namespaces[r.namespace], r.count, true})
				}
			}
		}
	}
	return out
}
