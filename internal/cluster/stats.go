package cluster

import (
	"time"

	"github.com/mojosocket/mojo/internal/cluster/members"
)

// Stats is what a Node holds at a moment, and what it has counted. Counts only
// grow.
type Stats struct {
	Phase       members.Phase
	Members     int           // with this node
	Deaf        time.Duration // since the latest own message came back; about a second if all is well
	Outbox      int           // bytes that wait to be published
	Unconfirmed int           // commands that wait for confirmations

	Lost     uint64 // messages that were not published
	Late     uint64 // calls that returned an UnconfirmedError
	Forged   uint64 // messages that were not sealed by the cluster
	Unknown  uint64 // messages that cannot be decoded
	Replayed uint64 // messages that had come before, or of an incarnation that is gone
	Repeated uint64 // commands that had been applied before
	Stale    uint64 // messages for people that came while this node was isolated
	Ahead    uint64 // commands and ledger entries that were too far ahead of the clocks of the cluster
}

// Stats returns the figures of this moment.
func (n *Node) Stats() Stats {
	s := Stats{
		Late: n.counts.late.Load(), Forged: n.counts.forged.Load(), Unknown: n.counts.unknown.Load(),
		Repeated: n.counts.repeated.Load(), Stale: n.counts.stale.Load(), Ahead: n.counts.ahead.Load(),
	}
	n.mu.Lock()
	s.Phase, s.Members, s.Deaf = n.phase, n.members.Len()+1, time.Since(n.members.Returned())
	s.Unconfirmed, s.Replayed = len(n.pending.byID), n.members.Dropped()
	n.mu.Unlock()
	s.Outbox, s.Lost = n.out.stats()
	return s
}
