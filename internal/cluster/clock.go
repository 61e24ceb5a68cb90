package cluster

import (
	"time"

	"github.com/mojosocket/mojo/internal/cluster/members"
	"github.com/mojosocket/mojo/internal/command"
)

// clockWarnings is the least time between two warnings about the clock of a
// node.
const clockWarnings = time.Minute

// isAhead reports whether a clock of another node is so far ahead of the
// cluster's that it must not be taken over: later commands of all nodes would
// get clocks after it. It warns.
func (n *Node) isAhead(from string, at command.Clock) bool {
	n.mu.Lock()
	now := n.members.Now()
	n.mu.Unlock()
	lead := time.Unix(0, at.Time).Sub(now)
	if lead <= members.MaxLead {
		return false
	}
	n.counts.ahead.Add(1)
	if time.Since(n.warned[from]) >= clockWarnings {
		n.warned[from] = time.Now()
		n.config.Log.Warn("mojo: the clock of a node of the cluster is wrong; its changes of identities are not applied here until their time has come",
			"node", from, "ahead", lead, "limit", members.MaxLead, "help", "set the clock and restart the process")
	}
	return true
}

// checkClock warns if the clock of this node is ahead of the cluster's.
func (n *Node) checkClock() {
	n.mu.Lock()
	lead := time.Since(n.members.Now())
	n.mu.Unlock()
	if lead > members.MaxLead && time.Since(n.checked) >= clockWarnings {
		n.checked = time.Now()
		n.config.Log.Warn("mojo: the clock of this machine is ahead of the other nodes of the cluster; they do not confirm changes of identities",
			"node", n.name, "ahead", lead, "limit", members.MaxLead, "help", "set the clock and restart the process")
	}
}
