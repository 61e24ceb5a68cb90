package ownership

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/hub/presence"
)

// TestNodesThatJoinTogether: a member hands a key over to a node that joins,
// before it knows of another one that joins, too, and owns the key then. That
// waits for what the first one has got.
func TestNodesThatJoinTogether(t *testing.T) {
	k := idOf("c", "d", "a")
	n := newNode("c")
	n.Join()
	n.NodeJoined("a")
	n.Synced()
	n.online[k] = true
	n.Receive("a", Handover{Last: true})

	n.NodeJoined("d")
	n.Receive("d", Handover{Joining: true})
	n.pass(2 * settleTime)
	require.Empty(t, n.tell())
	n.Receive("d", Handover{Part: 1, Online: []presence.Key{user(k)}, Joining: true, Last: true})
	n.pass(2 * settleTime)

	require.Empty(t, n.tell(), "it was told")
	n.set(k, false)
	require.Equal(t, []string{k + " false"}, n.tell())
}

// TestLeaverThatDidNotKnowOfADeath: a node dies, and the next owner of its keys
// leaves before it has noticed. The owner after that takes the keys over.
func TestLeaverThatDidNotKnowOfADeath(t *testing.T) {
	k := idOf("x", "l", "a")
	for _, knew := range []bool{false, true} {
		n := newMember("a", "l", "x")
		n.set(k, true) // which x told
		n.pass(time.Minute)
		n.NodeDied("x", n.now.Add(-5*time.Second))
		require.Empty(t, n.tell(), "l owns it")

		h := Handover{Leaving: true, Members: []string{"a"}}
		if !knew {
			h.Members = []string{"a", "x"}
		}
		n.Receive("l", h)
		n.Receive("l", Handover{Part: 1, Leaving: true, Last: true})
		n.pass(2 * settleTime)

		if knew {
			require.Equal(t, []string{k + " true"}, n.tell(), "l has not told it")
			continue
		}
		require.Empty(t, n.tell(), "x has told it")
		n.set(k, false)
		require.Equal(t, []string{k + " false"}, n.tell())
	}
}

// TestLeaverThatDidNotKnowOfALateTransition: the same, and the dead node may not
// have told the latest transition.
func TestLeaverThatDidNotKnowOfALateTransition(t *testing.T) {
	k := idOf("x", "l", "a")
	n := newMember("a", "l", "x")
	n.set(k, true)
	n.pass(time.Minute)
	n.set(k, false)
	n.NodeDied("x", n.now)
	n.Receive("l", Handover{Leaving: true, Members: []string{"a", "x"}})
	n.Receive("l", Handover{Part: 1, Leaving: true, Last: true})
	n.pass(2 * settleTime)
	require.Equal(t, []string{k + " false"}, n.tell())
}

// TestLeaverNamesTheMembers: a node that leaves says once whom it knows.
func TestLeaverNamesTheMembers(t *testing.T) {
	n := newMember("l", "a", "b")
	n.Leave()
	for _, handovers := range n.handovers() {
		require.ElementsMatch(t, []string{"a", "b"}, handovers[0].Members)
	}
}

// TestLeaverThatHasNotJoined: a node that leaves while it joins knows nothing
// that the owner of a key does not know.
func TestLeaverThatHasNotJoined(t *testing.T) {
	k := idOf("x", "n", "a")
	n := newNode("n")
	n.Join()
	for _, name := range []string{"a", "x"} {
		n.NodeJoined(name)
		n.Receive(name, Handover{Last: true})
	}
	n.pass(time.Second)
	n.Leave()
	n.handovers()
	n.set(k, true)
	n.NodeDied("x", n.now)
	require.Empty(t, n.handovers()["a"])
}

// TestDeadNodeThatOthersKnewOf: a node joins, and hears of one that does not
// answer. The owner of its keys has taken them over before it handed over, so
// what it has handed over counts.
func TestDeadNodeThatOthersKnewOf(t *testing.T) {
	k := idOf("n", "x", "b")
	for _, knew := range []bool{false, true} {
		n := newNode("n")
		n.Join()
		n.NodeJoined("b")
		n.NodeJoined("x")
		n.online[k] = true
		n.Synced()
		h := Handover{Last: true}
		if knew {
			h.Dead = []string{"x"}
		}
		n.Receive("b", h)
		n.NodeDied("x", n.now)
		n.pass(2 * settleTime)
		if knew {
			require.Equal(t, []string{k + " true"}, n.tell(), "b has told that it is offline")
		} else {
			require.Empty(t, n.tell(), "x has told what the copy says")
		}
	}
}

// TestMemberNamesTheDead: a member tells a node that joins whose keys it has
// taken over lately.
func TestMemberNamesTheDead(t *testing.T) {
	m := newMember("a", "x")
	m.NodeDied("x", m.now)
	m.NodeJoined("n")
	require.Equal(t, []string{"x"}, m.handovers()["n"][0].Dead)
	m.pass(time.Minute)
	m.NodeJoined("o")
	require.Empty(t, m.handovers()["o"][0].Dead)
}
