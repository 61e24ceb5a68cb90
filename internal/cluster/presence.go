package cluster

import (
	"iter"
	"time"

	"github.com/mojosocket/mojo/internal/cluster/directory"
	"github.com/mojosocket/mojo/internal/cluster/ownership"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// presenceState finds the transitions of all people in the directory, and tells
// those that this node owns. entries.mu guards it.
type presenceState struct {
	presence  presence.Presence
	ownership *ownership.Ownership
	expire    *time.Timer         // for Ownership.Expire; nil: none
	next      presence.Transition // that BeginNotifying has found
	found     bool
	notifying bool          // since BeginNotifying
	telling   bool          // a transition is being told
	probing   bool          // a message to itself is on its way, for Ownership.Reached
	left      chan struct{} // to be closed when this node has handed over; nil: it does not leave
}

func (n *Node) newPresence() presenceState {
	p := presenceState{}
	p.presence.Now, p.presence.Grace = time.Now, n.config.PresenceGrace
	p.presence.Watched = map[string]bool{"": n.config.WatchPresence}
	p.ownership = ownership.New(ownership.Config{
		Self: n.name, Now: time.Now,
		Watched: func(namespace string) bool { return n.entries.presence.Watched[namespace] },
		Online: func(k presence.Key) bool {
			return n.dir.Has(k.Namespace, k.Key) || n.entries.presence.IsInGrace(k)
		},
		Keys: n.onlineKeys(),
	})
	p.ownership.Join()
	return p
}

// onlineKeys iterates over the keys that are present or in their grace period,
// in the namespaces that are watched. entries.mu must be held.
func (n *Node) onlineKeys() iter.Seq[presence.Key] {
	return func(yield func(presence.Key) bool) {
		for namespace, watched := range n.entries.presence.Watched {
			for kind := command.Session; watched && kind < command.NumKinds; kind++ {
				for id := range n.dir.IDs(namespace, kind) {
					if !yield(presence.Key{Namespace: namespace, Key: command.Key{Kind: kind, ID: id}}) {
						return
					}
				}
			}
		}
		for k := range n.entries.presence.InGrace() {
			if n.entries.presence.Watched[k.Namespace] && !yield(k) {
				return
			}
		}
	}
}

// Watch makes the transitions in a namespace told.
func (n *Node) Watch(namespace string) {
	n.entries.mu.Lock()
	defer n.entries.mu.Unlock()
	n.entries.presence.Watched[namespace] = true
}

// Online returns which of these ids are present or in their grace period, in a
// namespace or, if that is empty, in the whole server.
func (n *Node) Online(namespace string, kind command.Kind, ids []string) (online []string) {
	n.entries.mu.Lock()
	defer n.entries.mu.Unlock()
	for _, id := range ids {
		k := presence.Key{Namespace: namespace, Key: command.Key{Kind: kind, ID: id}}
		if n.dir.Has(namespace, k.Key) || n.entries.presence.IsInGrace(k) {
			online = append(online, id)
		}
	}
	return online
}

// noteLocked passes the transitions of the directory on. entries.mu must be
// held.
func (e *entriesByMu) noteLocked(transitions []directory.Transition) {
	for _, t := range transitions {
		if t.Present {
			e.presence.Enter(t.Key)
		} else {
			e.presence.Exit(t.Key)
		}
	}
}

// update changes the entries, and returns what is to be done about presence.
func (n *Node) update(change func(e *entriesByMu)) presence.Work {
	e := &n.entries
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.entriesByMu)
	return n.presenceWorkLocked()
}

// updateAndTell is update for callers that do not do the work of presence.
func (n *Node) updateAndTell(change func(e *entriesByMu)) {
	if work := n.update(change); work != (presence.Work{}) {
		n.config.Local.DoPresenceWork(work)
	}
}

// presenceWorkLocked finds out who tells the transitions so far, and what there
// is to do. entries.mu must be held.
func (n *Node) presenceWorkLocked() presence.Work {
	e := &n.entries
	work := e.presence.Work()
	if work.Notify {
		n.flushLocked() // the others know of a change before the application is told
		e.presence.BeginNotifying()
		for t, ok := e.presence.Next(); ok; t, ok = e.presence.Next() {
			e.ownership.Transition(t)
		}
	}
	n.sendHandoversLocked()
	if !e.notifying && !e.found {
		e.next, e.found = e.ownership.Next()
	}
	work.Notify = e.found && !e.notifying
	if e.ownership.WaitsForReached() && !e.probing {
		e.probing = true
		n.send(n.name, &wire.Probe{Sent: time.Now()})
	}
	n.armExpireLocked()
	if e.left != nil && e.ownership.HasLeft() {
		close(e.left)
		e.left = nil
	}
	return work
}

func (n *Node) sendHandoversLocked() {
	for {
		to, h, ok := n.entries.ownership.NextHandover()
		if !ok {
			return
		}
		if r := n.entries.others[to]; r != nil {
			n.send(to, &wire.Handover{Incarnation: r.origin.Incarnation, Handover: h})
		}
	}
}

// armExpireLocked sets the timer for the waits of the ownership.
func (n *Node) armExpireLocked() {
	e := &n.entries
	if e.expire != nil {
		e.expire.Stop()
		e.expire = nil
	}
	if at, ok := e.ownership.Deadline(); ok && !e.closed {
		e.expire = time.AfterFunc(time.Until(at), func() {
			n.updateAndTell(func(e *entriesByMu) { e.ownership.Expire() })
		})
	}
}

// EndGrace, EndAllGrace, BeginNotifying and NextTransition are those of
// hub.Hub, for the people of the whole cluster.

// EndGrace reports the ids as offline whose grace period is over.
func (n *Node) EndGrace() presence.Work {
	return n.update(func(e *entriesByMu) { e.presence.EndGrace() })
}

// EndAllGrace ends all grace periods if this is the only node. Otherwise the
// others go on.
func (n *Node) EndAllGrace() presence.Work {
	n.mu.Lock()
	alone := n.members.Len() == 0
	n.mu.Unlock()
	return n.update(func(e *entriesByMu) {
		if alone {
			e.presence.EndAllGrace()
		}
	})
}

// BeginNotifying reports whether the caller must tell transitions.
func (n *Node) BeginNotifying() bool {
	n.entries.mu.Lock()
	defer n.entries.mu.Unlock()
	if !n.entries.found || n.entries.notifying {
		return false
	}
	n.entries.notifying = true
	return true
}

// NextTransition returns the next transition that this node tells. The one
// before has been told.
func (n *Node) NextTransition() (t presence.Transition, ok bool) {
	n.entries.mu.Lock()
	defer n.entries.mu.Unlock()
	e := &n.entries
	if e.telling {
		e.telling = false
		e.ownership.Done()
		n.presenceWorkLocked()
	}
	if !e.found {
		e.next, e.found = e.ownership.Next()
	}
	if !e.found {
		e.notifying = false
		return t, false
	}
	e.found, e.telling = false, true
	return e.next, true
}

// handOver leaves: the other nodes tell the transitions from now on. It waits
// until they can, but no longer than d.
func (n *Node) handOver(d time.Duration) {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	left := make(chan struct{})
	n.updateAndTell(func(e *entriesByMu) {
		e.left = left
		e.ownership.Leave()
	})
	select {
	case <-left:
	case <-deadline.C:
	}
}
