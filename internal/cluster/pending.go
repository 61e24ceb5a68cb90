package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/cluster/members"
	"github.com/mojosocket/mojo/internal/cluster/wire"
)

// UnconfirmedError is returned for a command that was applied on this node, and
// was not confirmed by others in time. It is repeated until they confirm it or
// are dead.
type UnconfirmedError struct {
	Nodes []string // that have not confirmed it, sorted; empty while this node is isolated
	err   error
}

func (e *UnconfirmedError) Error() string {
	if len(e.Nodes) == 0 {
		return "not confirmed by the cluster, which cannot be reached"
	}
	return fmt.Sprintf("not confirmed by the nodes %s", strings.Join(e.Nodes, ", "))
}

// Unwrap returns ErrDown while this node is isolated, and the error of the
// caller's context if that has ended.
func (e *UnconfirmedError) Unwrap() error { return e.err }

// pending is the commands that not all nodes have confirmed. Node.mu guards it.
type pending struct {
	byID map[uint64]*call
	next uint64
}

// call is a command that waits for confirmations.
type call struct {
	id      uint64
	encoded []byte
	sent    time.Time // when it was sent last
	waiting map[string]struct{}
	// held says that the call is not done without waiting nodes: this node is
	// isolated, and the others are to get the command when it has joined again.
	held     bool
	done     chan struct{}
	sessions []string // of all Confirms
}

// maxPending bounds the commands that wait. Above it, the oldest are given up.
const maxPending = 4096

// confirmTime is how long a call waits for confirmations.
const confirmTime = 2 * time.Second

// call sends a command to all members, and waits until they have confirmed it.
// The command must have been applied here. It is made by build, with the id
// under which it is confirmed. call returns the sessions of the confirmations.
func (n *Node) call(ctx context.Context, build func(id uint64) wire.Message) (sessions []string, err error) {
	return n.await(ctx, n.begin(build))
}

// await is the second part of call.
func (n *Node) await(ctx context.Context, c *call) (sessions []string, err error) {
	timer := time.NewTimer(confirmTime)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.sessions, nil
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return n.unconfirmed(c, err)
}

// begin is call without waiting.
func (n *Node) begin(build func(id uint64) wire.Message) *call {
	n.flush() // the others know of the entries before the command is confirmed
	n.mu.Lock()
	c := n.pending.newLocked()
	c.encoded = wire.Encode(build(c.id))
	for _, m := range n.members.All() {
		c.waiting[m.Node] = struct{}{}
	}
	c.held = n.members.Phase() != members.Ready
	n.pending.byID[c.id] = c
	n.pending.finishLocked(c) // if there is no other node
	n.mu.Unlock()
	n.out.put(outgoing{plain: c.encoded})
	return c
}

func (n *Node) unconfirmed(c *call, err error) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-c.done: // meanwhile
		return c.sessions, nil
	default:
	}
	n.counts.late.Add(1)
	if err == nil && n.members.Phase() == members.Isolated {
		err = ErrDown
	}
	return slices.Clone(c.sessions), &UnconfirmedError{Nodes: slices.Sorted(maps.Keys(c.waiting)), err: err}
}

func (p *pending) newLocked() *call {
	p.next++
	if len(p.byID) >= maxPending {
		oldest := slices.Min(slices.Collect(maps.Keys(p.byID)))
		delete(p.byID, oldest)
	}
	return &call{id: p.next, sent: time.Now(), waiting: make(map[string]struct{}), done: make(chan struct{})}
}

// finishLocked ends a call for which nobody is waited any more.
func (p *pending) finishLocked(c *call) {
	if len(c.waiting) == 0 && !c.held && p.byID[c.id] == c {
		delete(p.byID, c.id)
		close(c.done)
	}
}

// confirmLocked notes a confirmation.
func (p *pending) confirmLocked(from string, m *wire.Confirm) {
	c := p.byID[m.ID]
	if c == nil {
		return
	}
	if _, waits := c.waiting[from]; waits {
		delete(c.waiting, from)
		c.sessions = append(c.sessions, m.Sessions...)
		p.finishLocked(c)
	}
}

// addLocked makes all calls wait for a new member, and returns the commands
// that it has to get.
func (p *pending) addLocked(node string) (sends []outgoing) {
	for _, id := range slices.Sorted(maps.Keys(p.byID)) {
		c := p.byID[id]
		c.waiting[node] = struct{}{}
		sends = append(sends, outgoing{plain: c.encoded, to: node})
	}
	return sends
}

// removeLocked makes no call wait for a node that has left. If this node is not
// ready, it cannot know whether the other one is alive.
func (p *pending) removeLocked(node string, hold bool) {
	for _, c := range p.byID {
		if _, waits := c.waiting[node]; waits {
			delete(c.waiting, node)
			c.held = c.held || hold
			p.finishLocked(c)
		}
	}
}

// releaseLocked is called when this node has joined.
func (p *pending) releaseLocked() {
	for _, c := range p.byID {
		c.held = false
		p.finishLocked(c)
	}
}

// repeatLocked returns the commands that are to be sent again: if one is due,
// all of them, in their order.
func (p *pending) repeatLocked(now time.Time) (again []outgoing) {
	if !slices.ContainsFunc(slices.Collect(maps.Values(p.byID)), func(c *call) bool { return now.Sub(c.sent) >= members.Period }) {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(p.byID)) {
		c := p.byID[id]
		c.sent = now
		for node := range c.waiting {
			again = append(again, outgoing{plain: c.encoded, to: node})
		}
	}
	return again
}

// applied knows which commands of other nodes were applied, by the name of the
// node: a command may come again, after its confirmation was lost, and must not
// end what began after it.
type applied map[string]*appliedIDs

// appliedIDs has the latest ids of one node.
type appliedIDs struct {
	sessions map[uint64][]string // what was confirmed
	order    []uint64            // a ring
	used     time.Time
}

// keepApplied is how long the ids of a node are kept that is not heard any more.
const keepApplied = 10 * time.Minute

// of returns the ids of a node. It drops those of nodes that are gone.
func (a applied) of(node string, now time.Time) *appliedIDs {
	ids := a[node]
	if ids == nil {
		for name, other := range a {
			if now.Sub(other.used) > keepApplied {
				delete(a, name)
			}
		}
		ids = &appliedIDs{sessions: make(map[uint64][]string)}
		a[node] = ids
	}
	ids.used = now
	return ids
}

// note notes that a command was applied.
func (a *appliedIDs) note(id uint64, sessions []string) {
	if len(a.order) == maxPending {
		delete(a.sessions, a.order[0])
		a.order = a.order[1:]
	}
	a.order = append(a.order, id)
	a.sessions[id] = sessions
}
