package directory

// Apply sets the count of an entry of a node. A count of 0 removes the entry.
// Apply returns out with the transitions appended. It does nothing if the entry
// is not valid or the node was removed.
func (d *Directory) Apply(n *Node, e Entry, out []Transition) []Transition {
	if !e.Valid() {
		return out
	}
	c := change{Key: e.Key, namespace: d.namespace(e.Namespace), count: int32(e.Count)}
	key := hash(e.Key)
	s := &d.shards[shardOf(key)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.removed.Load() { // checked with the lock held, because Sweep visits each shard once
		return out
	}
	was, out := s.setLocked(d.tables.Load(), n, c, out)
	n.addToDigest(c.difference(key, was))
	if c.count == 0 {
		s.shrinkLocked()
	}
	return out
}

// difference returns what a change adds to the digest of a node, given the hash
// of the key and the previous count.
func (c change) difference(key uint64, was int32) Digest {
	by := Digest{Checksum: checksum(key, c.namespace, c.count) - checksum(key, c.namespace, was)}
	if was == 0 && c.count > 0 {
		by.Entries = 1
	}
	if was > 0 && c.count == 0 {
		by.Entries = -1
	}
	return by
}

// Replace replaces all entries that a node has in a shard. It returns out with
// the transitions of the differences appended. It ignores entries that are not
// valid, that have a count of 0, or that belong to another shard. Of several
// entries with the same key and namespace, the last one is used. Replace does
// nothing if the node was removed.
func (d *Directory) Replace(n *Node, shard int, entries []Entry, out []Transition) []Transition {
	if shard < 0 || shard >= Shards {
		return out
	}
	type hashed struct {
		change
		key uint64
	}
	wanted := make([]hashed, 0, len(entries))
	for _, e := range entries {
		if key := hash(e.Key); e.Valid() && e.Count > 0 && shardOf(key) == shard {
			c := change{Key: e.Key, namespace: d.namespace(e.Namespace), count: int32(e.Count)}
			wanted = append(wanted, hashed{c, key})
		}
	}

	s := &d.shards[shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.removed.Load() {
		return out
	}
	t := d.tables.Load()
	var total Digest
	set := func(c change, key uint64) {
		var was int32
		was, out = s.setLocked(t, n, c, out)
		by := c.difference(key, was)
		total.Entries += by.Entries
		total.Checksum += by.Checksum
	}
	for i := range s.records {
		if r := &s.records[i]; r.isOf(n) {
			r.count = -r.count
		}
	}
	// Additions come first, so that an id that moves to another namespace stays
	// in the server.
	for _, w := range wanted {
		set(w.change, w.key)
	}
	for _, c := range s.appendLocked(nil, t, n, record.isUnconfirmed) {
		c.count = 0
		set(c, hash(c.Key))
	}
	n.addToDigest(total)
	s.shrinkLocked()
	return out
}

// Sweep removes the entries of a removed node from the next shard. It returns
// out with the transitions appended, and whether there are more shards.
func (d *Directory) Sweep(n *Node, out []Transition) ([]Transition, bool) {
	if !n.removed.Load() || n.sweeps.Load() >= Shards {
		return out, false
	}
	i := int(n.sweeps.Add(1)) - 1
	if i >= Shards { // concurrent callers took the others
		return out, false
	}
	out = d.sweepShard(n, &d.shards[i], out)
	if n.swept.Add(1) == Shards {
		d.release(n)
	}
	return out, i < Shards-1
}

func (d *Directory) sweepShard(n *Node, s *shard, out []Transition) []Transition {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := d.tables.Load()
	for _, c := range s.appendLocked(nil, t, n, all) {
		c.count = 0
		_, out = s.setLocked(t, n, c, out)
	}
	s.shrinkLocked()
	return out
}

// AppendEntries returns out with the entries of a node in a shard appended, in
// no particular order.
func (d *Directory) AppendEntries(out []Entry, n *Node, shard int) []Entry {
	if shard < 0 || shard >= Shards {
		return out
	}
	s := &d.shards[shard]
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n.removed.Load() {
		return out
	}
	for _, c := range s.appendLocked(nil, d.tables.Load(), n, all) {
		out = append(out, Entry{c.Key, c.namespace.name, int(c.count)})
	}
	return out
}
