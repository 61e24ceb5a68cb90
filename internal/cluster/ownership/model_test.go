package ownership

import (
	"cmp"
	"container/heap"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/hub/presence"
)

// cluster is a simulation of nodes in virtual time.
type cluster struct {
	t      *testing.T
	random *rand.Rand
	conditions

	now    time.Time
	events events
	serial int

	nodes []*simNode // all that ever were
	links map[[2]*simNode]time.Time
	told  map[presence.Key][]call

	disruptions int // crashes and isolations
	disrupted   time.Time
}

// conditions are those under which a cluster runs.
type conditions struct {
	delay        time.Duration // of a message, at most
	handover     time.Duration // until a Handover is sent, at most
	callback     time.Duration // of a call of the application, at most
	graceOfNodes time.Duration
}

// call is a call of the application.
type call struct {
	at     time.Time
	node   string
	online bool
}

func (c call) String() string {
	return fmt.Sprintf("%v %v %v", c.at.Sub(time.Unix(1000, 0)), c.node, c.online)
}

// event is what happens at a time.
type event struct {
	at     time.Time
	serial int
	do     func()
}

type events []event

func (e events) Len() int      { return len(e) }
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e events) Less(i, j int) bool {
	return cmp.Or(e[i].at.Compare(e[j].at), cmp.Compare(e[i].serial, e[j].serial)) < 0
}

func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// simNode is a node with its copy of the directory, and the caller of its
// Ownership.
type simNode struct {
	c    *cluster
	name string
	o    *Ownership
	p    *presence.Presence

	entries  map[string]map[presence.Key]bool // by the name of the node
	peers    map[string]*simNode
	expected map[*simNode]bool // have not welcomed this node yet
	silent   map[*simNode]bool // that others have named, and that do not answer

	incarnation int
	alive, cut  bool
	ready       bool // connections come and go
	leaving     bool
	probing     bool // a message to itself is under way
	sending     bool // a Handover waits to be sent
	deadline    time.Time
}

func newCluster(t *testing.T, seed uint64, conditions conditions) *cluster {
	return &cluster{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), conditions: conditions,
		now: time.Unix(1000, 0), links: make(map[[2]*simNode]time.Time), told: make(map[presence.Key][]call),
	}
}

func (c *cluster) after(d time.Duration, do func()) {
	c.serial++
	heap.Push(&c.events, event{c.now.Add(d), c.serial, do})
}

// runFor runs what happens in a duration.
func (c *cluster) runFor(d time.Duration) {
	end := c.now.Add(d)
	for len(c.events) > 0 && !c.events[0].at.After(end) {
		e := heap.Pop(&c.events).(event)
		c.now = e.at
		e.do()
	}
	c.now = end
}

// between returns a random duration.
func (c *cluster) between(low, high time.Duration) time.Duration {
	return low + time.Duration(c.random.Int64N(int64(high-low)+1))
}

// send sends a message. Those of one node to another arrive in order.
func (c *cluster) send(from, to *simNode, receive func()) {
	if from.cut || !from.alive {
		return
	}
	link := [2]*simNode{from, to}
	at := c.now.Add(c.between(0, c.delay))
	if last := c.links[link]; at.Before(last) {
		at = last
	}
	c.links[link] = at
	incarnation, sender := to.incarnation, from.incarnation
	c.after(at.Sub(c.now), func() {
		if to.alive && !to.cut && to.incarnation == incarnation && (from.incarnation == sender || !from.alive) {
			receive()
			to.work()
		}
	})
}

// start starts a node.
func (c *cluster) start() *simNode {
	n := &simNode{c: c, name: fmt.Sprint("node-", len(c.nodes)), alive: true, entries: make(map[string]map[presence.Key]bool)}
	clock := func() time.Time { return c.now }
	n.p = &presence.Presence{Now: clock, Grace: c.graceOfNodes, Watched: map[string]bool{"": true, "/other": true}}
	n.o = New(Config{Self: n.name, Now: clock, Watched: watched, Online: n.online, Keys: n.keys})
	c.nodes = append(c.nodes, n)
	n.join()
	return n
}

func watched(namespace string) bool { return namespace == "" }

func (n *simNode) count(k presence.Key) (count int) {
	for _, keys := range n.entries {
		if keys[k] {
			count++
		}
	}
	return count
}

func (n *simNode) online(k presence.Key) bool { return n.count(k) > 0 || n.p.IsInGrace(k) }

func (n *simNode) keys(yield func(presence.Key) bool) {
	for _, k := range simKeys {
		if n.online(k) && !yield(k) {
			return
		}
	}
}

// set changes an entry in the copy that n has of the entries of a node.
func (n *simNode) set(of string, k presence.Key, present bool) {
	if n.entries[of] == nil {
		n.entries[of] = make(map[presence.Key]bool)
	}
	before := n.count(k)
	n.entries[of][k] = present
	switch after := n.count(k); {
	case before == 0 && after > 0:
		n.p.Enter(k)
	case before > 0 && after == 0:
		n.p.Exit(k)
	}
}

// forget removes the entries of a node.
func (n *simNode) forget(of string) {
	for _, k := range simKeys {
		if n.entries[of][k] {
			n.set(of, k, false)
		}
	}
	delete(n.entries, of)
}

// replace replaces the entries of a node.
func (n *simNode) replace(of string, entries map[presence.Key]bool) {
	for _, k := range simKeys {
		if n.entries[of][k] != entries[k] {
			n.set(of, k, entries[k])
		}
	}
}

// connect opens or closes the connection of a key to a node.
func (n *simNode) connect(k presence.Key, present bool) {
	n.set(n.name, k, present)
	for _, name := range slices.Sorted(maps.Keys(n.peers)) {
		to := n.peers[name]
		n.c.send(n, to, func() {
			if to.peers[n.name] != nil {
				to.set(n.name, k, present)
			}
		})
	}
	n.work()
}

func (n *simNode) join() {
	c := n.c
	n.peers, n.expected, n.silent, n.ready = make(map[string]*simNode), make(map[*simNode]bool), make(map[*simNode]bool), false
	for of := range n.entries {
		if of != n.name {
			n.forget(of)
		}
	}
	n.o.Join()
	n.work()
	for _, m := range c.nodes {
		if m != n && m.alive && !m.cut {
			n.expected[m] = true
			c.send(n, m, func() { m.welcome(n) })
		}
	}
	incarnation := n.incarnation
	c.after(time.Second, func() {
		if n.incarnation != incarnation || !n.alive || n.cut {
			return
		}
		clear(n.expected)
		n.work()
	})
}

// welcome makes another node a member.
func (n *simNode) welcome(other *simNode) {
	if n.leaving {
		return
	}
	n.peers[other.name] = other
	entries, named := maps.Clone(n.entries[n.name]), maps.Clone(n.peers)
	n.c.send(n, other, func() {
		other.died(n)
		other.peers[n.name] = n
		for _, name := range slices.Sorted(maps.Keys(named)) {
			other.hearOf(named[name])
		}
		other.replace(n.name, entries)
		other.o.NodeJoined(n.name)
		delete(other.expected, n)
		entries := maps.Clone(other.entries[other.name])
		other.c.send(other, n, func() {
			if n.peers[other.name] == other {
				n.died(other)
				n.replace(other.name, entries)
				n.o.NodeJoined(other.name)
			}
		})
	})
}

// hearOf makes a node a member that a member has named, and that does not
// answer.
func (n *simNode) hearOf(m *simNode) {
	if m == n || m.alive && !m.cut || m.leaving || n.peers[m.name] != nil || n.silent[m] || n.ready {
		return
	}
	n.silent[m], n.expected[m] = true, true
	n.o.NodeJoined(m.name)
	incarnation := n.incarnation
	n.c.after(n.c.between(5*time.Second, 6500*time.Millisecond), func() {
		if n.alive && n.incarnation == incarnation && n.silent[m] {
			n.died(m)
			n.work()
		}
	})
}

// died reports that a node has died that was silent from the beginning.
func (n *simNode) died(m *simNode) {
	if n.silent[m] {
		delete(n.silent, m)
		n.o.NodeDied(m.name, n.o.joinedAt)
	}
}

// work does what the caller of an Ownership does after each call.
func (n *simNode) work() {
	c := n.c
	if !n.alive {
		return
	}
	if w := n.p.Work(); w.EndGraceAfter > 0 {
		c.after(w.EndGraceAfter, func() {
			n.p.EndGrace()
			n.work()
		})
	}
	for tr, ok := n.p.Next(); ok; tr, ok = n.p.Next() {
		n.o.Transition(tr)
	}
	if !n.ready && !n.cut && len(n.expected) == 0 && n.o.phase == joining && c.now.After(n.o.joinedAt) {
		n.ready = true
		n.o.Synced()
	}
	n.sendHandovers()
	if n.o.WaitsForReached() && !n.probing && !n.cut {
		n.probing = true
		at, incarnation := c.now, n.incarnation
		c.after(c.between(0, c.delay), func() {
			n.probing = false
			if !n.cut && n.incarnation == incarnation {
				n.o.Reached(at)
			}
			n.work()
		})
	}
	if tr, ok := n.o.Next(); ok {
		n.tell(tr)
	}
	if at, ok := n.o.Deadline(); ok && at != n.deadline {
		n.deadline = at
		c.after(max(at.Sub(c.now), 0), func() {
			n.deadline = time.Time{}
			if n.alive {
				n.o.Expire()
				n.work()
			}
		})
	}
	if n.leaving && n.o.HasLeft() && !n.sending {
		n.sayGoodbye()
	}
}

func (n *simNode) sendHandovers() {
	if n.sending {
		return
	}
	name, h, ok := n.o.NextHandover()
	if !ok {
		return
	}
	n.sending = true
	incarnation := n.incarnation
	n.c.after(n.c.between(0, n.c.handover), func() {
		n.sending = false
		if to := n.peers[name]; to != nil && n.incarnation == incarnation {
			n.c.send(n, to, func() {
				if to.peers[n.name] == n {
					to.o.Receive(n.name, h)
				}
			})
		}
		n.work()
	})
}

func (n *simNode) tell(tr presence.Transition) {
	c := n.c
	require.True(c.t, watched(tr.Namespace))
	d := c.between(0, c.callback)
	c.after(c.between(0, d), func() {
		if n.alive {
			k := presence.Key{Namespace: tr.Namespace, Key: tr.Key}
			c.told[k] = append(c.told[k], call{c.now, n.name, tr.Online})
		}
	})
	c.after(d, func() {
		if n.alive {
			n.o.Done()
			n.work()
		}
	})
}

func (n *simNode) sayGoodbye() {
	for _, name := range slices.Sorted(maps.Keys(n.peers)) {
		to := n.peers[name]
		n.c.send(n, to, func() {
			if to.peers[n.name] == n {
				delete(to.peers, n.name)
				to.o.NodeLeft(n.name)
				to.forget(n.name)
			}
		})
	}
	n.alive = false
}

func (n *simNode) leave() {
	n.leaving, n.ready = true, false
	n.o.Leave()
	n.work()
}

// lose makes the other nodes find out that a node is gone.
func (n *simNode) lose() {
	c, heard := n.c, n.c.now.Add(-n.c.between(0, time.Second))
	c.disruptions++
	c.disrupted = c.now
	for _, m := range c.nodes {
		c.after(c.between(5*time.Second, 6500*time.Millisecond), func() {
			if m.alive && m != n && m.peers[n.name] == n {
				delete(m.peers, n.name)
				m.o.NodeDied(n.name, heard)
				m.forget(n.name)
				m.work()
			}
		})
	}
}

func (n *simNode) crash() {
	n.alive = false
	n.lose()
}

// isolate cuts a node off.
func (n *simNode) isolate(d time.Duration) {
	c, at := n.c, n.c.now
	n.cut = true
	n.lose()
	c.after(unnoticedIsolation, func() {
		if n.alive {
			n.o.Isolated(at)
			n.work()
		}
	})
	c.after(d, func() {
		if n.alive {
			n.cut = false
			n.incarnation++
			n.join()
		}
	})
}

func (c *cluster) chooseNode(fits func(*simNode) bool) *simNode {
	var nodes []*simNode
	for _, n := range c.nodes {
		if n.alive && !n.leaving && !n.cut && fits(n) {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) == 0 {
		return nil
	}
	return nodes[c.random.IntN(len(nodes))]
}

func whatever(*simNode) bool  { return true }
func isReady(n *simNode) bool { return n.ready }
func (c *cluster) nodesAlive() (n int) {
	for _, m := range c.nodes {
		if m.alive && !m.leaving && !m.cut {
			n++
		}
	}
	return n
}

// survives reports whether a node may go: another one stays that has been there
// for a time.
func (c *cluster) survives(n *simNode, time time.Duration) bool {
	return n != nil && c.chooseNode(func(o *simNode) bool { return o != n && o.o.phase == member && c.now.Sub(o.o.joinedAt) > time }) != nil
}

// change opens or closes a connection.
func (c *cluster) change(k presence.Key) {
	n := c.chooseNode(isReady)
	if n == nil {
		return
	}
	for _, m := range c.nodes {
		if m.alive && m.ready && m.entries[m.name][k] && c.random.IntN(3) > 0 {
			n = m
		}
	}
	n.connect(k, !n.entries[n.name][k])
}

func (c *cluster) isPresent(k presence.Key) bool {
	return slices.ContainsFunc(c.nodes, func(n *simNode) bool { return n.alive && n.entries[n.name][k] })
}

var simKeys = func() (keys []presence.Key) {
	for i := range 12 {
		keys = append(keys, user(fmt.Sprint("user-", i)))
	}
	other := user("user-0")
	other.Namespace = "/other"
	return append(keys, other)
}()

// requireConsistent requires that the application knows who is online, and that
// nodes keep nothing that they need not.
func (c *cluster) requireConsistent() {
	t := c.t
	for _, k := range simKeys {
		calls := c.told[k]
		isOnline := len(calls) > 0 && calls[len(calls)-1].online
		require.Equal(t, watched(k.Namespace) && c.isPresent(k), isOnline, "%v: %v", k, calls)
	}
	for _, n := range c.nodes {
		if !n.alive {
			continue
		}
		require.False(t, n.o.waits(), n.name)
		require.Empty(t, n.o.pending)
		require.Empty(t, n.o.leavers)
		require.Empty(t, n.o.joiners)
		require.Nil(t, n.o.beforeIsolation)
		for name, out := range n.o.outgoing {
			require.Empty(t, out.online, name)
			require.False(t, out.last, name)
		}
		for name := range n.o.incoming {
			require.Contains(t, n.peers, name)
		}
		for _, k := range simKeys {
			require.Equal(t, watched(k.Namespace) && n.o.owns(k) && c.isPresent(k), n.o.keys[k] == online, k)
		}
	}
}

// requireAlternating requires that online and offline alternate, except for
// some repetitions.
func (c *cluster) requireAlternating(repetitions int) {
	for k, calls := range c.told {
		repeated := 0
		for i, call := range calls {
			if call.online == (i > 0 && calls[i-1].online) {
				repeated++
			}
		}
		require.LessOrEqual(c.t, repeated, repetitions, "%v: %v", k, calls)
	}
}

// TestModelWithoutCrash: online and offline alternate while nodes join and
// leave, and in the end the application knows who is online.
func TestModelWithoutCrash(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := newCluster(t, seed, conditions{
				200 * time.Millisecond, []time.Duration{0, 300 * time.Millisecond}[seed%2], 100 * time.Millisecond, time.Duration(seed%3) * time.Second,
			})
			c.start()
			for range 300 {
				c.runFor(c.between(0, 500*time.Millisecond))
				switch c.random.IntN(30) {
				case 0:
					if c.nodesAlive() < 5 {
						c.start()
					}
				case 1:
					if n := c.chooseNode(whatever); c.survives(n, 0) {
						n.leave()
					}
				default:
					c.change(simKeys[c.random.IntN(len(simKeys))])
				}
			}
			c.runFor(time.Minute)
			c.requireAlternating(0)
			c.requireConsistent()
		})
	}
}

// TestModelEveryTransition: if the changes of each key are far between, the
// application is told each of them once, while nodes join and leave.
func TestModelEveryTransition(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := newCluster(t, seed, conditions{200 * time.Millisecond, 400 * time.Millisecond, 100 * time.Millisecond, time.Second})
			c.start()
			c.runFor(5 * time.Second)
			want := make(map[presence.Key][]bool)
			note := func() {
				for _, k := range simKeys {
					was := len(want[k]) > 0 && want[k][len(want[k])-1]
					if is := c.isPresent(k); watched(k.Namespace) && is != was {
						want[k] = append(want[k], is)
					}
				}
			}
			for range 40 {
				for _, k := range simKeys {
					c.after(c.between(0, 2*time.Second), func() { c.change(k) })
				}
				c.runFor(2 * time.Second)
				note()
				if c.random.IntN(2) == 0 && c.nodesAlive() < 5 {
					c.start()
				} else if n := c.chooseNode(isReady); c.survives(n, 0) {
					n.leave()
				}
				c.runFor(20 * time.Second)
				note()
			}
			for _, k := range simKeys {
				var got []bool
				for _, call := range c.told[k] {
					got = append(got, call.online)
				}
				require.Equal(t, want[k], got, k)
			}
			c.requireConsistent()
		})
	}
}

// TestModelWithCrashes: after crashes and isolations, transitions are told at
// least once, and none too often.
func TestModelWithCrashes(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := newCluster(t, seed, conditions{
				200 * time.Millisecond, []time.Duration{0, 300 * time.Millisecond}[seed%2], 100 * time.Millisecond, time.Duration(seed%3) * time.Second,
			})
			c.start()
			for range 300 {
				c.runFor(c.between(0, 500*time.Millisecond))
				switch c.random.IntN(40) {
				case 0, 1:
					if c.nodesAlive() < 5 {
						c.start()
					}
				case 2:
					if n := c.chooseNode(whatever); c.survives(n, recentTime) {
						n.leave()
					}
				case 3:
					if n := c.chooseNode(whatever); c.survives(n, recentTime) && c.now.Sub(c.disrupted) > 10*time.Second {
						n.crash()
					}
				case 4:
					if n := c.chooseNode(isReady); c.survives(n, recentTime) && c.now.Sub(c.disrupted) > 10*time.Second {
						n.isolate(c.between(8*time.Second, 20*time.Second))
					}
				default:
					c.change(simKeys[c.random.IntN(len(simKeys))])
				}
			}
			c.runFor(time.Minute)
			c.requireAlternating(2 * c.disruptions)
			c.requireConsistent()
		})
	}
}
