package ownership

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// testNode is an Ownership with its clock and the ids that are online.
type testNode struct {
	*Ownership
	now    time.Time
	online map[string]bool
}

func newNode(name string) *testNode {
	n := &testNode{now: time.Unix(1000, 0), online: make(map[string]bool)}
	n.Ownership = New(Config{
		Self:    name,
		Now:     func() time.Time { return n.now },
		Watched: watched,
		Online:  func(k presence.Key) bool { return n.online[k.ID] },
		Keys: func(yield func(presence.Key) bool) {
			for id, ok := range n.online {
				if ok && !yield(user(id)) {
					return
				}
			}
		},
	})
	return n
}

// newMember returns a node that has been a member together with others for a
// long time.
func newMember(name string, others ...string) *testNode {
	n := newNode(name)
	n.Join()
	n.Synced()
	for _, other := range others {
		n.NodeJoined(other)
	}
	n.handovers()
	n.pass(time.Minute)
	return n
}

// pass lets time pass.
func (n *testNode) pass(d time.Duration) {
	n.now = n.now.Add(d)
	n.Expire()
}

// set makes an id come online or go offline.
func (n *testNode) set(id string, isOnline bool) {
	n.online[id] = isOnline
	n.Transition(presence.Transition{Key: user(id).Key, Online: isOnline})
}

// tell tells everything and returns it, sorted.
func (n *testNode) tell() (told []string) {
	n.Reached(n.now)
	for tr, ok := n.Next(); ok; tr, ok = n.Next() {
		told = append(told, fmt.Sprint(tr.Key.ID, " ", tr.Online))
		n.Done()
	}
	slices.Sort(told)
	return told
}

// handovers returns all that must be sent, by the name of the receiver.
func (n *testNode) handovers() map[string][]Handover {
	all := make(map[string][]Handover)
	for to, h, ok := n.NextHandover(); ok; to, h, ok = n.NextHandover() {
		all[to] = append(all[to], h)
	}
	return all
}

// id returns an id for which names are the owners when the first, the first two
// and so on are members.
func id(names ...string) string {
	for i := 0; ; i++ {
		id := fmt.Sprint("id-", i)
		var v view
		if !slices.ContainsFunc(names, func(owner string) bool {
			v = append(v, node{name: owner, hash: hashName(owner)})
			return v.owner(hash(user(id))) != owner
		}) {
			return id
		}
	}
}

// idOf returns an id that the first of all members owns and, when that is gone,
// the second, and so on.
func idOf(owners ...string) string {
	owners = slices.Clone(owners)
	slices.Reverse(owners)
	return id(owners...)
}

// TestOwnerIsFixed: another version of the program computes the same owners.
func TestOwnerIsFixed(t *testing.T) {
	v := view{{name: "a", hash: hashName("a")}, {name: "b", hash: hashName("b")}, {name: "c", hash: hashName("c")}}
	var owners []string
	for i := range 24 {
		k := presence.Key{Namespace: []string{"", "/chat"}[i%2], Key: command.Key{Kind: command.Session + command.Kind(i%3/2), ID: fmt.Sprint(i)}}
		owners = append(owners, v.owner(hash(k)))
	}
	require.Equal(t, "bcabccbbcacaaaaacbbabbbc", strings.Join(owners, ""))
	require.Equal(t, uint64(0x130bfc00c8d1ca98), hash(user("ann")))
}

// TestOwner: keys are spread over the members, and only move to a member that
// joins.
func TestOwner(t *testing.T) {
	const keys = 10_000
	var v view
	owners := make(map[int]string)
	for n := range 8 {
		name := fmt.Sprint("node-", n)
		v = append(v, node{name: name, hash: hashName(name)})
		count := make(map[string]int)
		for i := range keys {
			h := hash(user(fmt.Sprint(i)))
			owner := v.owner(h)
			if owner != owners[i] {
				require.Equal(t, name, owner)
			}
			owners[i] = owner
			count[owner]++
			other := slices.Clone(v)
			slices.Reverse(other)
			require.Equal(t, owner, other.owner(h))
		}
		for name, got := range count {
			require.InEpsilon(t, keys/len(v), got, 0.15, name)
		}
	}
}

// TestTell: the application is told the difference to what it was told last.
func TestTell(t *testing.T) {
	for _, test := range []struct{ name, before, changes, want string }{
		{"online", "", "+", "+"},
		{"online twice", "", "++", "+"},
		{"online and offline", "", "+-", "+-"},
		{"online again before it was told", "", "+-+", "+"},
		{"and offline again", "", "+-+-", "+-"},
		{"offline", "+", "-", "-"},
		{"offline and online", "+", "-+", "-+"},
		{"nothing new", "+", "+", ""},
		{"offline, and was not online", "", "-", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newMember("a")
			change := func(changes string) (told string) {
				for _, c := range changes {
					n.set("ann", c == '+')
				}
				n.Reached(n.now)
				for tr, ok := n.Next(); ok; tr, ok = n.Next() {
					told += map[bool]string{true: "+", false: "-"}[tr.Online]
					n.Done()
				}
				return told
			}
			require.Equal(t, test.before, change(test.before))
			require.Equal(t, test.want, change(test.changes))
			require.Empty(t, n.pending)
			require.Len(t, n.keys, map[bool]int{true: 1}[n.online["ann"]], "no state for an id that is offline")
		})
	}
}

// TestNotConcerned: nothing is told about other namespaces, kinds and owners.
func TestNotConcerned(t *testing.T) {
	n := newMember("a", "b")
	n.Transition(presence.Transition{Namespace: "/other", Key: user(id("a")).Key, Online: true})
	n.Transition(presence.Transition{Key: command.Key{Kind: command.Room, ID: "room"}, Online: true})
	n.Transition(presence.Transition{Key: command.Key{Kind: command.User}, Online: true})
	n.set(id("a", "b"), true)
	require.Empty(t, n.tell())
	require.Equal(t, "b", n.Owner(user(id("a", "b"))))
}

// TestOneAtATime: the next transition waits for Done.
func TestOneAtATime(t *testing.T) {
	n := newMember("a")
	n.set("ann", true)
	n.set("bob", true)
	n.Reached(n.now)
	_, ok := n.Next()
	require.True(t, ok)
	_, ok = n.Next()
	require.False(t, ok)
	n.Done()
	_, ok = n.Next()
	require.True(t, ok)
}

// TestReached: a node tells nothing that happened after its latest message to
// itself, because it may be cut off.
func TestReached(t *testing.T) {
	n := newMember("a")
	n.Reached(n.now)
	n.pass(time.Millisecond)
	require.False(t, n.WaitsForReached())
	n.set("ann", true)
	require.True(t, n.WaitsForReached())
	_, ok := n.Next()
	require.False(t, ok)
	require.Equal(t, []string{"ann true"}, n.tell())
	require.False(t, n.WaitsForReached())
}

// TestJoin: a node that joins tells what the others have not told, when they
// have handed over and it has settled.
func TestJoin(t *testing.T) {
	a := newMember("a")
	stays, moves, leaves, comes := id("a", "a"), id("a", "b"), "", ""
	for i := 0; leaves == "" || comes == ""; i++ {
		if x := fmt.Sprint("other-", i); (view{{name: "a", hash: hashName("a")}, {name: "b", hash: hashName("b")}}).owner(hash(user(x))) == "b" {
			leaves, comes = comes, x
		}
	}
	for _, x := range []string{stays, moves, leaves} {
		a.set(x, true)
	}
	require.Len(t, a.tell(), 3)

	b := newNode("b")
	b.online[moves], b.online[comes] = true, true
	b.Join()
	b.NodeJoined("a")
	b.Synced()
	require.Equal(t, map[string][]Handover{"a": {{Joining: true}}}, b.handovers())
	a.NodeJoined("b")
	a.set(comes, true)
	require.Empty(t, a.tell(), "b is the owner")
	got := a.handovers()["b"]
	require.Len(t, got, 1)
	require.ElementsMatch(t, []presence.Key{user(moves), user(leaves)}, got[0].Online)
	require.True(t, got[0].Last)

	b.pass(time.Second)
	require.Empty(t, b.tell())
	b.Receive("a", got[0])
	require.Empty(t, b.tell(), "it has not settled")
	at, ok := b.Deadline()
	require.True(t, ok)
	require.Equal(t, settleTime, at.Sub(b.now))
	b.pass(settleTime)
	require.ElementsMatch(t, []string{comes + " true", leaves + " false"}, b.tell())
	require.Equal(t, map[string][]Handover{"a": {{Part: 1, Joining: true, Last: true}}}, b.handovers())
	_, ok = b.Deadline()
	require.False(t, ok)
}

// TestJoinDuringTelling: a node hands over no key while it tells about the key.
func TestJoinDuringTelling(t *testing.T) {
	for _, isOnline := range []bool{true, false} {
		t.Run(fmt.Sprint(isOnline), func(t *testing.T) {
			a, x := newMember("a"), id("a", "b")
			a.set(x, true)
			if !isOnline {
				a.tell()
				a.set(x, false)
			}
			a.Reached(a.now)
			_, ok := a.Next()
			require.True(t, ok)
			a.NodeJoined("b")
			require.Empty(t, a.handovers())
			a.Done()
			got := a.handovers()["b"]
			require.Len(t, got, 1)
			require.True(t, got[0].Last)
			require.Equal(t, isOnline, slices.Contains(got[0].Online, user(x)))
		})
	}
}

// TestJoinDropsPending: a node tells nothing about keys that moved, although
// they were pending.
func TestJoinDropsPending(t *testing.T) {
	a := newMember("a")
	a.set(id("a", "b"), true)
	a.NodeJoined("b")
	require.Empty(t, a.tell())
	require.Empty(t, a.handovers()["b"][0].Online)
}

// TestJoinWithoutHandover: a node that gets no handover assumes that what it
// sees was told, except for what happened while it waited.
func TestJoinWithoutHandover(t *testing.T) {
	for _, end := range []string{"timeout", "death", "missing part"} {
		t.Run(end, func(t *testing.T) {
			b, old, recent := newNode("b"), id("a", "b"), ""
			for i := 0; recent == ""; i++ {
				if x := fmt.Sprint("other-", i); b.online[old] || (view{{name: "a", hash: hashName("a")}, {name: "b", hash: hashName("b")}}).owner(hash(user(x))) == "b" {
					recent = x
				}
			}
			b.online[old] = true
			b.Join()
			b.NodeJoined("a")
			b.Synced()
			b.set(recent, true)
			switch end {
			case "timeout":
				b.pass(handoverTimeout)
			case "death":
				b.NodeDied("a", b.now)
			case "missing part":
				b.Receive("a", Handover{Part: 1, Last: true})
			}
			b.pass(settleTime)
			require.Equal(t, []string{recent + " true"}, b.tell())
			b.online[old] = false
			b.set(old, false)
			require.Equal(t, []string{old + " false"}, b.tell())
		})
	}
}

// TestJoinTogether: two nodes that join at the same time do not wait for each
// other forever, and forward what they were told.
func TestJoinTogether(t *testing.T) {
	a, x := newMember("a"), id("a", "b", "c")
	a.set(x, true)
	a.tell()
	b, c := newNode("b"), newNode("c")
	for _, n := range []*testNode{b, c} {
		n.online[x] = true
		n.Join()
	}
	b.NodeJoined("a")
	b.NodeJoined("c")
	c.NodeJoined("a")
	c.NodeJoined("b")
	a.NodeJoined("b") // so it hands over to b
	nodes := map[string]*testNode{"a": a, "b": b, "c": c}
	exchange := func() {
		for sent := true; sent; {
			sent = false
			for _, from := range []string{"a", "b", "c"} {
				for to, all := range nodes[from].handovers() {
					for _, h := range all {
						sent = true
						nodes[to].Receive(from, h)
					}
				}
			}
		}
	}
	exchange()
	a.NodeJoined("c")
	b.Synced()
	c.Synced()
	exchange()
	b.pass(settleTime)
	c.pass(settleTime)
	require.False(t, b.waits())
	require.False(t, c.waits())
	require.Empty(t, c.tell())
	c.set(x, false)
	require.Equal(t, []string{x + " false"}, c.tell())
}

// TestLeave: a node that leaves tells nothing more, hands over, and waits until
// the others send it nothing more.
func TestLeave(t *testing.T) {
	a, b, x := newMember("a", "b"), newMember("b", "a"), idOf("a", "b")
	a.set(x, true)
	b.set(x, true)
	require.Len(t, a.tell(), 1)
	a.Leave()
	a.set(x, false)
	b.set(x, false)
	require.Empty(t, a.tell())
	require.False(t, a.HasLeft())
	got := a.handovers()
	require.Equal(t, map[string][]Handover{"b": {{Part: 1, Online: []presence.Key{user(x)}, Leaving: true, Members: []string{"b"}}}}, got)
	require.False(t, a.HasLeft())

	b.Receive("a", got["b"][0])
	released := b.handovers()
	require.Equal(t, map[string][]Handover{"a": {{Part: 1, Released: true}}}, released)
	a.Receive("b", released["a"][0])
	got = a.handovers()
	require.Equal(t, map[string][]Handover{"b": {{Part: 2, Leaving: true, Last: true}}}, got)
	require.True(t, a.HasLeft())

	b.pass(settleTime)
	require.Empty(t, b.tell(), "it waits for the end")
	b.Receive("a", got["b"][0])
	b.NodeLeft("a")
	require.Empty(t, b.tell(), "it has not settled")
	b.pass(settleTime)
	require.Equal(t, []string{x + " false"}, b.tell())
}

// TestLeaveWithoutAnswer: a node does not wait forever for the others.
func TestLeaveWithoutAnswer(t *testing.T) {
	for _, end := range []string{"timeout", "death"} {
		t.Run(end, func(t *testing.T) {
			a := newMember("a", "b")
			a.Leave()
			a.handovers()
			require.False(t, a.HasLeft())
			if end == "death" {
				a.NodeDied("b", a.now)
			} else {
				at, ok := a.Deadline()
				require.True(t, ok)
				a.pass(at.Sub(a.now))
				a.handovers()
			}
			require.True(t, a.HasLeft())
		})
	}
}

// TestDeath: the next owner assumes that the dead node told everything except
// its last transitions.
func TestDeath(t *testing.T) {
	for _, test := range []struct {
		name   string
		ago    time.Duration // before the latest message of the node
		online bool
		want   []string
	}{
		{"old", time.Minute, true, nil},
		{"long enough ago", unnoticedIsolation + lag + time.Millisecond, true, nil},
		{"recent", unnoticedIsolation + lag, true, []string{" true"}},
		{"recent and offline", time.Second, false, []string{" false"}},
		{"afterwards", -time.Second, true, []string{" true"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, x := newMember("a", "b", "c"), idOf("b", "a", "c")
			heard := a.now.Add(test.ago)
			a.set(x, true)
			if !test.online {
				a.set(x, false)
			}
			require.Empty(t, a.tell())
			a.now = heard.Add(5 * time.Second)
			a.NodeDied("b", heard)
			var want []string
			for _, w := range test.want {
				want = append(want, x+w)
			}
			require.Equal(t, want, a.tell())
			if test.online { // the entries of the dead node are removed
				a.set(x, false)
				require.Equal(t, []string{x + " false"}, a.tell())
			}
			require.Empty(t, a.handovers())
		})
	}
}

// TestDeathBeforeNewcomerKnew: a node that joined when a transition was over
// learns of it from the one that would be the owner otherwise.
func TestDeathBeforeNewcomerKnew(t *testing.T) {
	x := idOf("b", "d", "a", "c")
	send := make(map[string][]Handover)
	for _, n := range []*testNode{newMember("a", "b", "c"), newMember("c", "a", "b")} {
		n.set(x, true)
		n.pass(time.Second)
		heard := n.now
		n.NodeJoined("d")
		n.handovers()
		n.pass(5 * time.Second)
		n.NodeDied("b", heard)
		for to, all := range n.handovers() {
			send[n.Self+" to "+to] = all
		}
	}
	require.Equal(t, map[string][]Handover{"a to d": {{Part: 1, Unsure: []presence.Key{user(x)}}}}, send)
}

// TestUnsure: a transition that may not have been told is told again, but not
// if this node has told it.
func TestUnsure(t *testing.T) {
	a, x := newMember("a", "b"), id("b", "a")
	a.online[x] = true
	a.Receive("b", Handover{Unsure: []presence.Key{user(x)}})
	require.Equal(t, []string{x + " true"}, a.tell())
	a.Receive("b", Handover{Part: 1, Unsure: []presence.Key{user(x)}})
	require.Empty(t, a.tell())
}

// TestLateHandover: a handover that was not awaited makes a node tell nothing
// twice, and makes it tell that an id has gone offline.
func TestLateHandover(t *testing.T) {
	a, x := newMember("a", "b"), id("b", "a")
	a.Receive("b", Handover{Online: []presence.Key{user(x)}})
	require.Equal(t, []string{x + " false"}, a.tell())

	a, y := newMember("a", "b"), idOf("a", "b")
	a.set(y, true)
	a.Receive("b", Handover{Online: []presence.Key{user(y)}})
	require.Equal(t, []string{y + " true"}, a.tell())
}

// TestForward: a node forwards what it does not own.
func TestForward(t *testing.T) {
	a, x := newMember("a", "b", "c"), idOf("c", "a", "b")
	a.Receive("b", Handover{Online: []presence.Key{user(x)}})
	require.Equal(t, map[string][]Handover{"c": {{Part: 1, Online: []presence.Key{user(x)}}}}, a.handovers())
}

// TestIsolation: an isolated node tells nothing. If all were isolated, it goes
// on with what was told before. If not, the others know better.
func TestIsolation(t *testing.T) {
	for _, test := range []struct {
		name string
		all  bool
		want []string
	}{
		{"all", true, []string{"came true", "gone false", "recent true"}},
		{"one", false, []string{"came true", "recent true", "stayed true"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newMember("a")
			a.set("stayed", true)
			a.set("gone", true)
			require.Len(t, a.tell(), 2)
			a.NodeJoined("b")
			a.pass(time.Minute)
			a.handovers()
			a.set("recent", true)
			a.Isolated(a.now)
			a.set("came", true)
			a.set("gone", false)
			a.NodeDied("b", a.now)
			require.Empty(t, a.tell())
			require.Empty(t, a.handovers())
			require.Empty(t, a.Owner(user("stayed")))

			a.Join()
			if test.all {
				a.Synced()
				a.pass(settleTime)
			} else {
				a.NodeJoined("b")
				a.Synced()
				require.True(t, a.handovers()["b"][0].Returning)
				a.Receive("b", Handover{Last: true})
				a.Receive("b", Handover{Part: 1, Leaving: true, Last: true})
				a.NodeLeft("b")
				a.pass(settleTime)
			}
			require.Equal(t, test.want, a.tell())
			require.Nil(t, a.beforeIsolation)
		})
	}
}

// TestHandoverParts: a Handover is bounded.
func TestHandoverParts(t *testing.T) {
	a := newMember("a")
	long := strings.Repeat("x", 1000)
	for i := range 3000 {
		a.set(fmt.Sprint(i), true)
		if i%10 == 0 {
			a.set(fmt.Sprint(long, i), true)
		}
	}
	told := len(a.tell())
	a.NodeJoined("b")
	got := a.handovers()["b"]
	keys := 0
	for i, h := range got {
		require.Equal(t, i, h.Part)
		require.Equal(t, i == len(got)-1, h.Last)
		require.LessOrEqual(t, len(h.Online), maxKeys)
		size := 0
		for _, k := range h.Online {
			size += len(k.ID)
		}
		require.Less(t, size, maxBytes+2*len(long))
		keys += len(h.Online)
	}
	require.Greater(t, len(got), 3)
	require.Equal(t, told, keys+len(a.keys))
}

// TestMemoryIsBounded: what happened a long time ago is not kept.
func TestMemoryIsBounded(t *testing.T) {
	n := newMember("a", "b")
	for i := range 20_000 {
		x := fmt.Sprint(i)
		n.set(x, true)
		n.tell()
		n.set(x, false)
		n.tell()
		n.now = n.now.Add(100 * time.Millisecond)
	}
	n.set("last", true)
	limit := 2 * int(recentTime/(100*time.Millisecond)+10)
	require.LessOrEqual(t, n.recent.queue.Len(), limit)
	require.LessOrEqual(t, len(n.toldHere), limit)
	require.LessOrEqual(t, n.lately.Len(), limit)
	require.Empty(t, n.keys)

	var r recent
	for range recentMax + 10 {
		r.add(transition{at: n.now}, n.now)
	}
	require.Equal(t, recentMax, r.queue.Len())
}

// TestToldByLeaver: what is pending is not told if a node that leaves has told
// it.
func TestToldByLeaver(t *testing.T) {
	a, x := newMember("a", "b"), idOf("a", "b")
	a.set(x, true)
	a.Receive("b", Handover{Online: []presence.Key{user(x)}, Leaving: true, Last: true})
	a.pass(settleTime)
	require.Empty(t, a.tell())
	require.Equal(t, online, a.keys[user(x)])
}

// TestWindows: a transition is told again although it is older than those that
// a dead node may not have told usually.
func TestWindows(t *testing.T) {
	for _, test := range []struct {
		name   string
		id     string
		others []string
		run    func(a *testNode, set func())
	}{
		{"the owner died before", idOf("b", "c", "a"), []string{"b", "c"}, func(a *testNode, set func()) {
			set()
			a.pass(6 * time.Second)
			a.NodeDied("b", a.now.Add(-5*time.Second))
			a.pass(11 * time.Second)
			a.NodeDied("c", a.now.Add(-5*time.Second))
		}},
		{"the owner waited for handovers", idOf("b", "a"), nil, func(a *testNode, set func()) {
			set()
			a.pass(3 * time.Second)
			a.NodeJoined("b")
			a.pass(12 * time.Second)
			a.NodeDied("b", a.now.Add(-5*time.Second))
		}},
		{"the owner waited for a node that left", idOf("b", "a", "c"), []string{"b", "c"}, func(a *testNode, set func()) {
			a.Receive("c", Handover{Leaving: true})
			a.pass(time.Second)
			set()
			a.pass(12 * time.Second)
			a.NodeDied("b", a.now.Add(-5*time.Second))
			a.pass(settleTime)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newMember("a", test.others...)
			test.run(a, func() { a.set(test.id, true) })
			require.Equal(t, []string{test.id + " true"}, a.tell())
		})
	}
}

// TestJoinWaitsForJoiner: a node that joins waits for another one that joins,
// because that may forward what it was told.
func TestJoinWaitsForJoiner(t *testing.T) {
	for _, end := range []string{"handover", "timeout", "death"} {
		t.Run(end, func(t *testing.T) {
			c, x := newNode("c"), id("a", "b", "c")
			c.online[x] = true
			c.Join()
			c.NodeJoined("a")
			c.NodeJoined("b")
			c.Receive("a", Handover{Last: true})
			c.Receive("b", Handover{Joining: true})
			c.Synced()
			c.pass(2 * settleTime)
			require.True(t, c.waits())
			switch end {
			case "handover":
				c.Receive("b", Handover{Part: 1, Online: []presence.Key{user(x)}, Joining: true, Last: true})
			case "timeout":
				at, ok := c.Deadline()
				require.True(t, ok)
				c.pass(at.Sub(c.now))
			case "death":
				c.NodeDied("b", c.now)
			}
			c.pass(settleTime)
			require.False(t, c.waits())
			require.Equal(t, end == "timeout", len(c.tell()) > 0)
		})
	}
}

// TestFirstEntriesAreNoTransitions: what a node learns when it joins did not
// happen at this time.
func TestFirstEntriesAreNoTransitions(t *testing.T) {
	b, x := newNode("b"), id("a", "b")
	b.Join()
	b.NodeJoined("a")
	b.set(x, true)
	b.Synced()
	b.NodeDied("a", b.now)
	b.pass(settleTime)
	require.Empty(t, b.tell())
}

// TestLeaveWhileJoining: a node that leaves while it joins passes on what it
// is told, not to a node that may be dead.
func TestLeaveWhileJoining(t *testing.T) {
	c, x := newNode("c"), idOf("b", "a", "c")
	c.Join()
	c.NodeJoined("a")
	c.NodeJoined("b")
	c.Leave()
	c.handovers()
	c.Receive("a", Handover{Online: []presence.Key{user(x)}, Last: true})
	require.Equal(t, []presence.Key{user(x)}, c.handovers()["a"][0].Online)
	c.Receive("a", Handover{Part: 1, Released: true})
	require.False(t, c.HasLeft())
	c.Receive("b", Handover{Released: true})
	c.handovers()
	require.True(t, c.HasLeft(), "b has not handed over and does not any more")
}

// TestDeathWhileLeaving: a node that leaves hands over to another node if the
// next owner dies.
func TestDeathWhileLeaving(t *testing.T) {
	a, x := newMember("a", "b", "c"), idOf("a", "b", "c")
	a.set(x, true)
	a.tell()
	a.set(x, false)
	a.Leave()
	require.Equal(t, []presence.Key{user(x)}, a.handovers()["b"][0].Online)
	a.NodeDied("b", a.now)
	got := a.handovers()["c"]
	require.Equal(t, []presence.Key{user(x)}, slices.Concat(got[0].Online, got[0].Unsure))
}
