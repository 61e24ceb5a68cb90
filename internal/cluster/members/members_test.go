package members

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
)

// network is several nodes, a bus between them, and a clock.
type network struct {
	t       *testing.T
	now     time.Time
	nodes   map[string]*node
	queue   []envelope
	history []envelope // all that was published
	lose    func(e envelope) bool
}

type node struct {
	*Members
	number       uint64
	stopped      bool // it neither runs nor reads, as after SIGSTOP
	joined, left []seal.Origin
	dropped      map[seal.Origin]bool
	named        []string // and have not answered yet
	ledgers      []string // from which nodes one has come
	rejoined     int
	isolated     int
}

type envelope struct {
	from    seal.Origin
	number  uint64
	to      string
	message wire.Message
}

const tick = Period / 4

func newNetwork(t *testing.T, names ...string) *network {
	n := &network{t: t, now: time.Unix(1000, 0), nodes: make(map[string]*node)}
	n.start(names...)
	return n
}

func (n *network) start(names ...string) {
	for _, name := range names {
		origin := seal.Origin{Node: name, Incarnation: 1}
		n.nodes[name] = &node{dropped: make(map[seal.Origin]bool), Members: New(origin, wire.NodeInfo{Host: "host of " + name}, func() time.Time { return n.now })}
	}
}

// pass lets time pass, in which all nodes tick and all messages arrive.
func (n *network) pass(d time.Duration) {
	for end := n.now.Add(d); n.now.Before(end); n.now = n.now.Add(tick) {
		for _, name := range n.names() {
			if node := n.nodes[name]; !node.stopped {
				n.act(node, node.Tick())
			}
		}
		n.deliver()
	}
}

func (n *network) names() []string { return slices.Sorted(maps.Keys(n.nodes)) }

func (n *network) deliver() {
	for count := 0; len(n.queue) > 0; count++ {
		require.Less(n.t, count, 10_000, "the nodes do not come to rest")
		e := n.queue[0]
		n.queue = n.queue[1:]
		for _, name := range n.names() {
			self := name == e.from.Node
			if node := n.nodes[name]; e.to == name || e.to == "" && !self {
				if !node.stopped && (n.lose == nil || !n.lose(envelope{e.from, e.number, name, e.message})) {
					n.receive(node, e)
				}
			}
		}
	}
}

func (n *network) receive(node *node, e envelope) {
	n.act(node, node.Receive(e.from, e.number, e.message))
	switch e.message.(type) {
	case *wire.LedgerQuery:
		n.act(node, Result{Send: []Send{{e.from.Node, &wire.Ledger{Last: true}}}})
	case *wire.Ledger:
		node.ledgers = append(node.ledgers, e.from.Node)
		n.act(node, node.Fetched(e.from.Node, 0, true))
	}
}

func (n *network) act(node *node, r Result) {
	for _, m := range r.Joined {
		require.Equal(n.t, "host of "+m.Node, m.Host)
		node.joined = append(node.joined, m.Origin)
		delete(node.dropped, m.Origin)
	}
	for _, m := range r.Left {
		node.left = append(node.left, m.Origin)
		node.dropped[m.Origin] = node.Phase() == Ready
	}
	node.named = append(node.named, r.Named...)
	for _, name := range r.Unanswered {
		require.Contains(n.t, node.named, name)
		node.named = slices.DeleteFunc(node.named, func(s string) bool { return s == name })
	}
	if r.Isolated {
		clear(node.dropped)
		node.isolated++
	}
	if r.Rejoined {
		node.named = nil
		node.rejoined++
		node.number = 0
	}
	sends := r.Send
	if r.Heartbeat {
		sends = append(sends, Send{"", node.Heartbeat()})
	}
	for _, s := range sends {
		node.number++
		e := envelope{node.Self(), node.number, s.To, s.Message}
		n.queue, n.history = append(n.queue, e), append(n.history, e)
	}
}

// requireWhole: the nodes are ready, and each has all the others.
func (n *network) requireWhole() {
	n.t.Helper()
	for _, name := range n.names() {
		node := n.nodes[name]
		require.Equal(n.t, Ready, node.Phase(), name)
		for _, other := range n.names() {
			require.Equal(n.t, other != name, node.Has(other), "%s has %s", name, other)
		}
		require.Len(n.t, node.All(), len(n.nodes)-1)
	}
}

func TestNodesFindEachOther(t *testing.T) {
	for _, names := range [][]string{{"a"}, {"a", "b"}, {"a", "b", "c", "d", "e"}} {
		t.Run(fmt.Sprint(len(names)), func(t *testing.T) {
			n := newNetwork(t, names...)
			n.pass(alone + Period)
			n.requireWhole()
			n.pass(time.Minute)
			n.requireWhole()
			for _, name := range names {
				require.Empty(t, n.nodes[name].left)
				require.Zero(t, n.nodes[name].rejoined)
			}
		})
	}
}

// A node that comes later is not ready before it has a ledger, which it gets
// after all others have made it a member.
func TestLateNodeFetchesTheLedger(t *testing.T) {
	n := newNetwork(t, "a", "b")
	n.pass(2 * Period)
	n.start("c")
	asked := false
	n.lose = func(e envelope) bool {
		if _, query := e.message.(*wire.LedgerQuery); query {
			asked = true
			require.True(t, n.nodes["a"].Has("c"))
			require.True(t, n.nodes["b"].Has("c"))
			require.Equal(t, Fetching, n.nodes["c"].Phase())
		}
		return false
	}

	n.pass(3 * Period)

	require.True(t, asked)
	n.requireWhole()
}

// A node that was asked for its ledger does not get the question: it is asked
// again.
func TestLedgerIsAskedForAgain(t *testing.T) {
	n := newNetwork(t, "a", "b")
	n.pass(2 * Period)
	n.start("c")
	lost := 0
	n.lose = func(e envelope) bool {
		_, query := e.message.(*wire.LedgerQuery)
		if query && e.to == "a" {
			lost++
		}
		return query && e.to == "a" && lost == 1
	}
	n.pass(2 * Period)
	require.Equal(t, Fetching, n.nodes["c"].Phase())
	n.pass(ledgerTime)
	n.requireWhole()
}

// When all nodes join again at the same time, each gets the ledgers of all
// others: each may have missed something else. So does a node that is new.
func TestLedgersOfNodesThatJoinAgain(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	n.pass(3 * Period)
	asked := make(map[string]bool)
	n.lose = func(e envelope) bool {
		if _, query := e.message.(*wire.LedgerQuery); query {
			asked[e.from.Node+e.to] = true
		}
		return false
	}
	for _, name := range n.names() {
		var r Result
		n.nodes[name].rejoin(&r)
		n.act(n.nodes[name], r)
	}
	n.start("d")
	n.pass(3 * Period)
	n.requireWhole()
	require.Equal(t, []string{"ab", "ac", "ba", "bc", "ca", "cb", "da", "db", "dc"}, slices.Sorted(maps.Keys(asked)))
}

// A dead node is a member for five seconds and no longer than six and a half.
func TestDeadNodeIsRemoved(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	n.pass(3 * Period)
	delete(n.nodes, "c")

	n.pass(DeadAfter - Period)
	require.True(t, n.nodes["a"].Has("c"))
	n.pass(2500 * time.Millisecond)

	n.requireWhole()
	require.Equal(t, []seal.Origin{{Node: "c", Incarnation: 1}}, n.nodes["a"].left)
}

func TestNodeThatLeavesIsRemovedAtOnce(t *testing.T) {
	n := newNetwork(t, "a", "b")
	n.pass(3 * Period)
	n.act(n.nodes["b"], n.nodes["b"].Leave())
	delete(n.nodes, "b")

	n.deliver()

	n.requireWhole()
}

// A process that was stopped for long joins again, as another incarnation.
func TestStoppedProcess(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	n.pass(3 * Period)
	n.nodes["c"].stopped = true
	n.pass(30 * Period)
	require.False(t, n.nodes["a"].Has("c"))
	n.nodes["c"].stopped = false

	require.Contains(t, []Phase{Isolated, Joining}, func() Phase { n.act(n.nodes["c"], n.nodes["c"].Tick()); return n.nodes["c"].Phase() }())
	n.pass(4 * Period)

	n.requireWhole()
	require.Equal(t, 1, n.nodes["c"].rejoined)
	require.Equal(t, []seal.Origin{{Node: "b", Incarnation: 1}, {Node: "c", Incarnation: 1}, {Node: "c", Incarnation: 2}}, n.nodes["a"].joined)
}

// A node that is cut off notices before the others drop it.
func TestIsolatedNode(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	n.pass(3 * Period)
	n.lose = func(e envelope) bool { return e.from.Node == "c" || e.to == "c" }
	for n.nodes["a"].Has("c") {
		n.pass(tick)
	}
	require.Equal(t, Isolated, n.nodes["c"].Phase())
	require.Equal(t, Ready, n.nodes["a"].Phase())
	n.pass(10 * Period)
	require.Empty(t, n.nodes["c"].All())

	n.lose = nil
	n.pass(4 * Period)

	n.requireWhole()
	require.Equal(t, uint32(2), n.nodes["c"].Self().Incarnation)
}

// A short loss changes nothing.
func TestShortLoss(t *testing.T) {
	n := newNetwork(t, "a", "b")
	n.pass(3 * Period)
	n.lose = func(envelope) bool { return true }
	n.pass(3 * Period)
	n.lose = nil
	n.pass(Period)
	n.requireWhole()
	require.Zero(t, n.nodes["a"].rejoined)
	require.Empty(t, n.nodes["a"].left)
}

// Every kind of message of the procedure is lost once, and it still ends well.
func TestLostMessages(t *testing.T) {
	for name, is := range map[string]func(wire.Message) bool{
		"hello":        func(m wire.Message) bool { _, is := m.(*wire.Hello); return is },
		"challenge":    func(m wire.Message) bool { _, is := m.(*wire.Challenge); return is },
		"answer":       func(m wire.Message) bool { _, is := m.(*wire.Answer); return is },
		"welcome":      func(m wire.Message) bool { _, is := m.(*wire.Welcome); return is },
		"heartbeat":    func(m wire.Message) bool { _, is := m.(*wire.Heartbeat); return is },
		"probe":        func(m wire.Message) bool { _, is := m.(*wire.Probe); return is },
		"ledger query": func(m wire.Message) bool { _, is := m.(*wire.LedgerQuery); return is },
		"ledger":       func(m wire.Message) bool { _, is := m.(*wire.Ledger); return is },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, "a", "b")
			n.pass(3 * Period)
			n.start("c")
			lost := make(map[string]bool)
			n.lose = func(e envelope) bool {
				way := e.from.Node + " to " + e.to
				first := is(e.message) && !lost[way]
				lost[way] = lost[way] || first
				return first
			}
			n.pass(4*Period + 2*ledgerTime)
			require.NotEmpty(t, lost)
			n.requireWhole()
		})
	}
}

// Messages that somebody has recorded and repeats make no member and change
// nothing.
func TestRepeatedMessages(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	n.pass(5 * Period)
	recorded := n.history
	delete(n.nodes, "c")
	n.pass(2 * DeadAfter)
	n.requireWhole()
	joined := len(n.nodes["a"].joined)

	for range 3 {
		for _, e := range recorded {
			if a := n.nodes["a"]; e.from.Node != "a" && (e.to == "" || e.to == "a") {
				n.receive(a, e)
				n.pass(tick / 10)
			}
		}
	}

	n.requireWhole()
	require.Len(t, n.nodes["a"].joined, joined)
	require.NotZero(t, n.nodes["a"].Dropped())
	require.Zero(t, n.nodes["a"].rejoined)
}

// However many nodes somebody names, few are remembered.
func TestCandidatesAreBounded(t *testing.T) {
	n := newNetwork(t, "a")
	n.pass(3 * Period)
	a := n.nodes["a"]
	for i := range 10 * maxCandidates {
		a.Receive(seal.Origin{Node: fmt.Sprint(i), Incarnation: 1}, 1, &wire.Hello{})
	}
	require.LessOrEqual(t, len(a.candidates), maxCandidates)
	n.pass(2 * DeadAfter)
	require.Empty(t, a.candidates)
	n.requireWhole()
}

// A node that restarts under the same name, as no node of mojo does, is another
// incarnation at most.
func TestEarlierIncarnationIsDropped(t *testing.T) {
	n := newNetwork(t, "a", "b")
	n.pass(3 * Period)
	n.act(n.nodes["b"], func() (r Result) { n.nodes["b"].rejoin(&r); return r }())
	n.pass(3 * Period)
	n.requireWhole()
	a, before := n.nodes["a"], n.nodes["a"].Dropped()

	r := a.Receive(seal.Origin{Node: "b", Incarnation: 1}, 1<<40, &wire.Goodbye{})

	require.Empty(t, r)
	require.Equal(t, before+1, a.Dropped())
	n.requireWhole()
}
