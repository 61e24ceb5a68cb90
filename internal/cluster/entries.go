package cluster

import (
	"sync"
	"time"

	"github.com/mojosocket/mojo/internal/cluster/directory"
	"github.com/mojosocket/mojo/internal/cluster/members"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// entries keeps the directory up to date: with the entries of this node, which
// it announces to the others, and with what they announce.
type entries struct {
	mu sync.Mutex
	entriesByMu
}

// entriesByMu is guarded by entries.mu.
type entriesByMu struct {
	self     *directory.Node
	others   map[string]*remote
	sequence uint64 // of the latest Changes of this node
	unsent   map[change]int
	taken    []directory.Entry // reused
	timer    *time.Timer       // for flush; nil: none
	closed   bool
	named    map[string]time.Time // nodes that a member has named, and when
	synced   bool                 // the entries of all members are here, in this incarnation
	presenceState
}

// change is what an entry has a count of.
type change struct {
	directory.Entry // with a count of 0
}

// remote is the entries of another node.
type remote struct {
	origin   seal.Origin
	node     *directory.Node
	sequence uint64    // of the latest Changes
	asked    time.Time // for the whole
	whole    bool      // all entries have come once
	mutual   bool      // each of the two nodes has made the other a member
}

const (
	// announceTime is the most time from a change to its announcement.
	announceTime = 50 * time.Millisecond
	// askAgain is the least time between two questions for the whole.
	askAgain = 2 * time.Second
	// entriesPart is about how many bytes of entries are sent at once.
	entriesPart = 64 << 10
)

// Changed is called when Local.TakeChanges has something. When it returns, the
// directory has it.
func (n *Node) Changed() presence.Work {
	return n.update(func(e *entriesByMu) {
		e.taken = n.config.Local.TakeChanges(e.taken[:0])
		for _, entry := range e.taken {
			e.noteLocked(n.dir.Apply(e.self, entry, nil))
			key := change{entry}
			key.Count = 0
			if e.unsent == nil {
				e.unsent = make(map[change]int)
			}
			e.unsent[key] = entry.Count
		}
		clear(e.taken)
		if len(e.unsent) > 0 && e.timer == nil && !e.closed {
			e.timer = time.AfterFunc(announceTime, n.flush)
		}
	})
}

// flush announces the changes that were not announced yet.
func (n *Node) flush() {
	n.entries.mu.Lock()
	defer n.entries.mu.Unlock()
	n.flushLocked()
}

// flushLocked is flush. entries.mu must be held.
func (n *Node) flushLocked() {
	e := &n.entries
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
	m, size := wire.Changes{}, 0
	for key, count := range e.unsent {
		key.Count = count
		m.Entries = append(m.Entries, key.Entry)
		if size += entrySize(key.Entry); size >= entriesPart {
			n.sendChangesLocked(&m)
			m, size = wire.Changes{}, 0
		}
	}
	if len(m.Entries) > 0 {
		n.sendChangesLocked(&m)
	}
	e.unsent = nil
}

// sendChangesLocked announces changes. If they are lost, the others see a gap,
// or another digest. entries.mu must be held.
func (n *Node) sendChangesLocked(m *wire.Changes) {
	n.entries.sequence++
	m.Sequence = n.entries.sequence
	n.send("", m)
}

// entrySize returns about how many bytes an entry has in a message.
func entrySize(e directory.Entry) int { return len(e.ID) + len(e.Namespace) + 4 }

// heartbeat publishes a heartbeat with the digest of this node's entries.
func (n *Node) heartbeat() {
	n.mu.Lock()
	m := n.members.Heartbeat()
	n.mu.Unlock()
	n.entries.mu.Lock()
	defer n.entries.mu.Unlock()
	n.flushLocked()
	digest := n.entries.self.Digest()
	m.Sequence, m.Entries, m.Checksum = n.entries.sequence, uint64(digest.Entries), digest.Checksum
	n.send("", m)
}

// compare asks a node for all its entries if its digest is not that of the copy
// here.
func (n *Node) compare(name string, m *wire.Heartbeat) {
	n.entries.mu.Lock()
	defer n.entries.mu.Unlock()
	if r := n.entries.others[name]; r != nil && r.node.Digest() != (directory.Digest{Entries: int(m.Entries), Checksum: m.Checksum}) {
		n.askLocked(name, r)
	}
}

// askLocked asks a node for all its entries. entries.mu must be held.
func (n *Node) askLocked(name string, r *remote) {
	if now := time.Now(); now.Sub(r.asked) >= askAgain {
		r.asked = now
		n.send(name, &wire.WholeQuery{})
	}
}

// addMutual is called when this node is a member for a member, too: the two can
// exchange their entries.
func (n *Node) addMutual(name string) {
	n.updateAndTell(func(e *entriesByMu) {
		if r := e.others[name]; r != nil {
			r.mutual, r.whole = true, false
			n.askLocked(name, r)
			e.giveUpLocked(name)
			e.ownership.NodeJoined(name)
		}
	})
}

// addNamed adds nodes that a member has named while this node joins, and that
// have not answered yet: they may own keys.
func (n *Node) addNamed(names []string) {
	n.updateAndTell(func(e *entriesByMu) {
		for _, name := range names {
			if r := e.others[name]; r == nil || !r.mutual {
				e.named[name] = time.Now()
				e.ownership.NodeJoined(name)
			}
		}
	})
}

// giveUpLocked is called when a node that was named is dead, or begins anew as a
// member. entries.mu must be held.
func (e *entriesByMu) giveUpLocked(name string) {
	if since, named := e.named[name]; named {
		delete(e.named, name)
		e.ownership.NodeDied(name, since)
	}
}

// addEntries adds a new member, whose entries are not known yet.
func (n *Node) addEntries(origin seal.Origin) {
	e := &n.entries
	e.mu.Lock()
	node, earlier := n.dir.Add(origin.Node)
	e.others[origin.Node] = &remote{origin: origin, node: node}
	e.mu.Unlock()
	n.sweep(earlier)
}

// removeEntries removes a node that is no member any more.
func (n *Node) removeEntries(left members.Left) {
	var r *remote
	n.updateAndTell(func(e *entriesByMu) {
		r = e.others[left.Node]
		delete(e.others, left.Node)
		e.giveUpLocked(left.Node)
		switch {
		case r == nil || !r.mutual:
		case left.Goodbye:
			e.ownership.NodeLeft(left.Node)
		default:
			e.ownership.NodeDied(left.Node, left.Heard)
		}
	})
	if r != nil {
		n.dir.Remove(r.node)
		n.sweep(r.node)
	}
}

// sweep removes the entries of a removed node, which may be nil.
func (n *Node) sweep(node *directory.Node) {
	for more := node != nil; more; {
		n.updateAndTell(func(e *entriesByMu) {
			var transitions []directory.Transition
			transitions, more = n.dir.Sweep(node, nil)
			e.noteLocked(transitions)
		})
	}
}

// applyChanges applies what a member announces.
func (n *Node) applyChanges(name string, m *wire.Changes) {
	n.updateAndTell(func(e *entriesByMu) {
		r := e.others[name]
		if r == nil {
			return
		}
		if m.Sequence != r.sequence+1 && r.sequence != 0 {
			n.askLocked(name, r)
		}
		r.sequence = m.Sequence
		for _, entry := range m.Entries {
			e.noteLocked(n.dir.Apply(r.node, entry, nil))
		}
	})
}

// sendWhole sends all entries of this node to another one.
func (n *Node) sendWhole(to string) {
	n.flush()
	for shard := 0; shard < directory.Shards; {
		n.entries.mu.Lock()
		m := wire.Shards{From: shard}
		for size := 0; shard < directory.Shards && size < entriesPart; shard++ {
			before := len(m.Entries)
			m.Entries = n.dir.AppendEntries(m.Entries, n.entries.self, shard)
			for _, entry := range m.Entries[before:] {
				size += entrySize(entry)
			}
		}
		m.To = shard
		sent := n.send(to, &m)
		n.entries.mu.Unlock()
		if !sent {
			return // it will ask again
		}
	}
}

// replaceShards takes a part of the whole of a member.
func (n *Node) replaceShards(name string, m *wire.Shards) {
	byShard := make([][]directory.Entry, m.To-m.From)
	for _, entry := range m.Entries {
		if i := directory.ShardOf(entry.Key) - m.From; i >= 0 && i < len(byShard) {
			byShard[i] = append(byShard[i], entry)
		}
	}
	ready := n.isReady()
	n.updateAndTell(func(e *entriesByMu) {
		r := e.others[name]
		if r == nil {
			return
		}
		for i, entries := range byShard {
			e.noteLocked(n.dir.Replace(r.node, m.From+i, entries, nil))
		}
		if m.To == directory.Shards {
			r.whole = true
			e.syncLocked(ready)
		}
	})
}

// syncLocked finds out whether the entries of all members are here. entries.mu
// must be held.
func (e *entriesByMu) syncLocked(ready bool) {
	if e.synced || !ready {
		return
	}
	for _, r := range e.others {
		if !r.whole || !r.mutual {
			return
		}
	}
	e.synced = true
	e.ownership.Synced()
}

// close stops the timer.
func (e *entries) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for _, timer := range []*time.Timer{e.timer, e.expire} {
		if timer != nil {
			timer.Stop()
		}
	}
}
