package directory

import (
	"iter"
	"slices"

	"github.com/mojosocket/mojo/internal/command"
)

// Has reports whether a key has connections in a namespace or, if that is
// empty, in the whole server.
func (d *Directory) Has(namespace string, k command.Key) bool { return d.Count(namespace, k) > 0 }

// Count returns the number of connections of a key in a namespace or, if that
// is empty, the sum over all namespaces.
func (d *Directory) Count(namespace string, k command.Key) (count int) {
	ns := d.tables.Load().byName[namespace]
	if ns == nil || ns.number == claims || !isIdentity(k.Kind) {
		return 0
	}
	s := d.shardOf(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := d.tables.Load()
	for i := s.ids[k.Kind][k.ID]; i != 0; i = s.records[i].next {
		if r := s.records[i]; r.isIn(ns.number) && t.isLive(r) {
			count += int(r.count)
		}
	}
	return count
}

// Len returns the number of ids of a kind in a namespace or, if that is empty,
// in the whole server. The ids of a removed node count until Sweep removes
// them.
func (d *Directory) Len(namespace string, kind command.Kind) int {
	ns := d.tables.Load().byName[namespace]
	if ns == nil || !isIdentity(kind) {
		return 0
	}
	return int(ns.ids[kind].Load())
}

// IDs iterates over the ids of a kind in a namespace or, if that is empty, in
// the whole server, in no particular order. The Directory may change meanwhile.
// An id that is present all the time is returned once, other ids at most once.
func (d *Directory) IDs(namespace string, kind command.Kind) iter.Seq[string] {
	return func(yield func(string) bool) {
		ns := d.tables.Load().byName[namespace]
		if ns == nil || ns.number == claims || !isIdentity(kind) {
			return
		}
		var ids []string
		for i := range d.shards {
			ids = d.appendIDs(ids[:0], &d.shards[i], ns.number, kind)
			for _, id := range ids {
				if !yield(id) {
					return
				}
			}
		}
	}
}

func (d *Directory) appendIDs(out []string, s *shard, namespace uint32, kind command.Kind) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := d.tables.Load()
	for id, first := range s.ids[kind] {
		for i := first; i != 0; i = s.records[i].next {
			if r := s.records[i]; r.isIn(namespace) && t.isLive(r) {
				out = append(out, id)
				break
			}
		}
	}
	return out
}

// NodesOf returns names with the names of those nodes appended that have
// connections of any of the keys in a namespace or, if that is empty, in any,
// or that have claims of the keys. It appends no name that is already in names.
func (d *Directory) NodesOf(names []string, namespace string, keys []command.Key) []string {
	within := claims
	if ns := d.tables.Load().byName[namespace]; ns != nil {
		within = ns.number
	}
	for _, k := range keys {
		if isIdentity(k.Kind) {
			names = d.appendNodes(names, within, k)
		}
	}
	return names
}

func (d *Directory) appendNodes(names []string, namespace uint32, k command.Key) []string {
	s := d.shardOf(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := d.tables.Load()
	for i := s.ids[k.Kind][k.ID]; i != 0; i = s.records[i].next {
		r := s.records[i]
		if (r.isIn(namespace) || r.namespace == claims) && t.isLive(r) && !slices.Contains(names, t.nodes[r.node].name) {
			names = append(names, t.nodes[r.node].name)
		}
	}
	return names
}

func (d *Directory) shardOf(k command.Key) *shard { return &d.shards[ShardOf(k)] }

// isLive reports whether the node of a record was not removed.
func (t *tables) isLive(r record) bool { return !t.nodes[r.node].removed.Load() }
