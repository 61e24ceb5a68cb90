package members

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
)

// requireNoneUnnoticed requires that a node that others have dropped does not
// count itself as ready, if it hears one of them.
func (n *network) requireNoneUnnoticed(hears func(name, other string) bool) {
	n.t.Helper()
	for _, name := range n.names() {
		node := n.nodes[name]
		if node.stopped || node.Phase() != Ready || n.now.Sub(node.Returned()) >= IsolatedAfter {
			continue
		}
		for _, other := range n.names() {
			o := n.nodes[other]
			if o.stopped || !o.dropped[node.Self()] || !hears(name, other) {
				continue
			}
			if p := node.members[other]; p != nil && p.Origin == o.Self() && (p.welcomed || n.now.Sub(p.admitted) > 3*Period) {
				require.Fail(n.t, "unnoticed", "%s has dropped %s, whose state of it is %+v, now %v", other, name, node.members[other], n.now)
			}
		}
	}
}

func always(string, string) bool { return true }

// A node gets its own messages and those of others, but nobody gets its: it is
// isolated before the others drop it.
func TestNodeThatIsNotHeard(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	n.pass(3 * Period)
	n.lose = func(e envelope) bool { return e.from.Node == "c" && e.to != "c" }
	for range 2 * DeadAfter / tick {
		n.pass(tick)
		n.requireNoneUnnoticed(always)
	}
	require.False(t, n.nodes["a"].Has("c"))
	require.Equal(t, Isolated, n.nodes["c"].Phase())
	require.Equal(t, 1, n.nodes["c"].isolated)
	require.Zero(t, n.nodes["a"].isolated+n.nodes["b"].isolated)

	n.lose = nil
	n.pass(4 * Period)

	n.requireWhole()
	require.NotZero(t, n.nodes["c"].rejoined)
	require.Zero(t, n.nodes["a"].rejoined)
}

// One member does not hear a node, and its Heartbeats are lost just before it
// drops the node.
func TestLastWarningIsLost(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	n.pass(3 * Period)
	quiet := n.now
	n.lose = func(e envelope) bool {
		return e.from.Node == "c" && e.to == "a" || e.from.Node == "a" && e.to == "c" && n.now.Sub(quiet) > 3500*time.Millisecond
	}
	for n.nodes["a"].Has("c") {
		require.Equal(t, Ready, n.nodes["b"].Phase())
		n.pass(tick)
	}
	require.Equal(t, Isolated, n.nodes["c"].Phase())
}

// A node that hears nothing says that of nobody else.
func TestDeafNodeAccusesNobody(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	n.pass(3 * Period)
	n.lose = func(e envelope) bool { return e.to == "c" }
	n.pass(20 * Period)
	require.Equal(t, Isolated, n.nodes["c"].Phase())
	n.lose = nil
	n.pass(5 * Period)
	n.requireWhole()
	require.Zero(t, n.nodes["a"].isolated+n.nodes["b"].isolated)
	require.Equal(t, 1, n.nodes["c"].isolated)
}

// Nobody is isolated because another node dies.
func TestDeathIsolatesNobody(t *testing.T) {
	for phase := range 8 {
		n := newNetwork(t, "a", "b", "c", "d")
		n.pass(3*Period + time.Duration(phase)*Period/8)
		n.nodes["d"].stopped = true
		died := n.now
		for n.nodes["a"].Has("d") {
			n.pass(tick)
		}
		require.LessOrEqual(t, n.now.Sub(died), 6*time.Second)
		n.pass(10 * Period)
		for _, name := range []string{"a", "b", "c"} {
			require.Zero(t, n.nodes[name].isolated)
			require.Len(t, n.nodes[name].All(), 2)
		}
	}
}

// A node was deaf for a moment, and did not hear another one before: it does not
// drop that.
func TestDeafnessIsNotSilence(t *testing.T) {
	n := newNetwork(t, "a", "b", "c")
	n.pass(3 * Period)
	n.lose = func(e envelope) bool { return e.from.Node == "b" && e.to == "a" }
	n.pass(Period)
	n.lose = func(e envelope) bool { return e.to == "a" }
	n.pass(5 * Period / 2)
	n.lose = func(e envelope) bool { return e.to == "a" && e.from.Node == "b" }
	n.pass(3 * Period / 2)
	n.lose = nil
	n.pass(2 * Period)

	n.requireWhole()
	for _, name := range n.names() {
		require.Empty(t, n.nodes[name].left, name)
	}
}

// Two halves do not hear each other for a while, and each is ready. Then each
// node gets the ledgers of the other half.
func TestSplit(t *testing.T) {
	n := newNetwork(t, "a", "b", "c", "d")
	n.pass(5 * Period)
	half := func(name string) bool { return name < "c" }
	n.lose = func(e envelope) bool { return half(e.from.Node) != half(e.to) }
	n.pass(20 * Period)
	for _, name := range n.names() {
		require.Equal(t, Ready, n.nodes[name].Phase())
		require.Len(t, n.nodes[name].All(), 1)
		n.nodes[name].ledgers = nil
	}

	merged := false
	n.lose = func(e envelope) bool {
		if _, is := e.message.(*wire.LedgerQuery); is && half(e.from.Node) != half(e.to) && !merged {
			return true // what comes for people is dropped until the ledger has come
		}
		return false
	}
	n.pass(2 * Period)
	a := n.nodes["a"]
	require.True(t, a.Has("c"))
	emit := func(from string) bool {
		n.nodes[from].number++
		return a.Receive(n.nodes[from].Self(), n.nodes[from].number, &wire.Emit{}).Current
	}
	require.False(t, emit("c"))
	require.True(t, emit("b"))
	merged = true
	n.pass(2 * ledgerTime)

	require.True(t, emit("c"))
	n.requireWhole()
	for _, name := range n.names() {
		var want []string
		for _, other := range n.names() {
			if half(name) != half(other) {
				want = append(want, other)
			}
		}
		require.ElementsMatch(t, want, n.nodes[name].ledgers, name)
	}
}

// A part of a ledger is lost: the ledger is fetched again.
func TestLostPartOfALedger(t *testing.T) {
	n := newNetwork(t, "a", "b")
	n.pass(3 * Period)
	n.start("c")
	n.lose = func(e envelope) bool { _, is := e.message.(*wire.LedgerQuery); return is }
	n.pass(3 * Period)
	c := n.nodes["c"]
	c.Fetched("a", 0, true)
	require.Equal(t, Fetching, c.Phase())
	c.Fetched("b", 0, false)
	c.Fetched("b", 2, true)
	require.Equal(t, Fetching, c.Phase(), "part 1 is missing")
	c.Fetched("b", 0, false)
	c.Fetched("b", 1, true)
	require.Equal(t, Ready, c.Phase())
}

// A node that joins hears another one that does not hear it. It serves its
// clients after a while, and joins when it is heard.
func TestStuckNode(t *testing.T) {
	n := newNetwork(t, "a", "b")
	n.pass(3 * Period)
	n.lose = func(e envelope) bool { return e.from.Node == "c" && e.to == "a" }
	n.start("c")
	n.pass(stuckAfter + Period)
	require.Equal(t, Isolated, n.nodes["c"].Phase())
	n.pass(20 * Period)
	require.Equal(t, Isolated, n.nodes["c"].Phase())
	require.Equal(t, Ready, n.nodes["b"].Phase())

	n.lose = nil
	n.pass(5 * Period)
	n.requireWhole()
}

// A node dies while another one joins, which has heard of it: it is reported as
// one that may have told who is online, and then as dead.
func TestNamedNodeThatIsDead(t *testing.T) {
	n := newNetwork(t, "a", "b")
	n.pass(3 * Period)
	n.nodes["b"].stopped = true
	n.start("c")
	n.pass(2 * Period)
	c := n.nodes["c"]
	require.Equal(t, []string{"b"}, c.named)
	require.Equal(t, Joining, c.Phase())
	n.pass(2 * DeadAfter)
	require.Empty(t, c.named)
	require.Equal(t, Ready, c.Phase())
}

// Nodes lose messages in all ways, several at once. None that was dropped by a
// node that it hears is ready, and all are whole in the end.
func TestRandomLoss(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			n := newNetwork(t, "a", "b", "c", "d")
			n.pass(3 * Period)
			lost := make(map[[2]string]bool) // from, to
			heard := make(map[[2]string]time.Time)
			n.lose = func(e envelope) bool {
				pair := [2]string{e.from.Node, e.to}
				if lost[pair] || random.IntN(50) == 0 {
					return true
				}
				heard[pair] = n.now
				return false
			}
			for range 40 {
				name := n.names()[random.IntN(4)]
				all, in, out := random.IntN(3) == 0, random.IntN(2) == 0, random.IntN(2) == 0
				loses := random.IntN(3) > 0
				for _, other := range n.names() {
					if all || other != name || in && out { // its own messages go both ways
						lost[[2]string{name, other}] = loses && (all || out)
						lost[[2]string{other, name}] = loses && (all || in)
					}
				}
				for range random.IntN(40) {
					n.pass(tick)
					n.requireNoneUnnoticed(func(name, other string) bool {
						return n.now.Sub(heard[[2]string{other, name}]) < Period+tick
					})
				}
			}
			clear(lost)
			n.lose = nil
			n.pass(stuckAfter + 2*DeadAfter)
			n.requireWhole()
		})
	}
}

// A Welcome is lost after a node has joined again. The Heartbeat says the same.
func TestHeartbeatIsAWelcome(t *testing.T) {
	n := newNetwork(t, "a", "b")
	n.pass(3 * Period)
	n.lose = func(e envelope) bool {
		_, is := e.message.(*wire.Welcome)
		return is && e.from.Node == "b" && e.to == "a"
	}
	var r Result
	n.nodes["b"].rejoin(&r)
	n.act(n.nodes["b"], r)
	n.pass(5 * Period)
	n.requireWhole()
	require.True(t, n.nodes["a"].members["b"].welcomed)
	require.Equal(t, seal.Origin{Node: "b", Incarnation: 2}, n.nodes["a"].members["b"].Origin)
	require.True(t, n.nodes["a"].members["b"].merged)
}
