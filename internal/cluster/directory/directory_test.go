package directory

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

// TestApply: the transitions of a series of changes, each given with those that
// it makes.
func TestApply(t *testing.T) {
	type step struct {
		node  string
		entry Entry
		want  []Transition
	}
	ann, s := user("ann"), session("s")
	tooMany := math.MaxInt32
	tooMany++ // negative where an int has 32 bits
	for name, steps := range map[string][]step{
		"first and last": {
			{"a", Entry{ann, "/chat", 1}, []Transition{begins("", ann), begins("/chat", ann)}},
			{"a", Entry{ann, "/chat", 0}, []Transition{ends("/chat", ann), ends("", ann)}},
		},
		"another count": {
			{"a", Entry{ann, "/chat", 1}, []Transition{begins("", ann), begins("/chat", ann)}},
			{"a", Entry{ann, "/chat", 7}, nil},
			{"a", Entry{ann, "/chat", 7}, nil},
			{"a", Entry{ann, "/chat", 1}, nil},
			{"a", Entry{ann, "/chat", 0}, []Transition{ends("/chat", ann), ends("", ann)}},
		},
		"two nodes": {
			{"a", Entry{ann, "/chat", 1}, []Transition{begins("", ann), begins("/chat", ann)}},
			{"b", Entry{ann, "/chat", 1}, nil},
			{"a", Entry{ann, "/chat", 0}, nil},
			{"b", Entry{ann, "/chat", 0}, []Transition{ends("/chat", ann), ends("", ann)}},
		},
		"two namespaces": {
			{"a", Entry{ann, "/chat", 1}, []Transition{begins("", ann), begins("/chat", ann)}},
			{"a", Entry{ann, "/news", 1}, []Transition{begins("/news", ann)}},
			{"a", Entry{ann, "/chat", 0}, []Transition{ends("/chat", ann)}},
			{"a", Entry{ann, "/news", 0}, []Transition{ends("/news", ann), ends("", ann)}},
		},
		"two kinds with the same id": {
			{"a", Entry{session("ann"), "/chat", 1}, []Transition{begins("", session("ann")), begins("/chat", session("ann"))}},
			{"a", Entry{ann, "/chat", 1}, []Transition{begins("", ann), begins("/chat", ann)}},
			{"a", Entry{session("ann"), "/chat", 0}, []Transition{ends("/chat", session("ann")), ends("", session("ann"))}},
		},
		"a claim is proved": {
			{"a", Entry{ann, Claims, 1}, nil},
			{"a", Entry{ann, "/chat", 1}, []Transition{begins("", ann), begins("/chat", ann)}},
			{"a", Entry{ann, Claims, 0}, nil},
			{"a", Entry{ann, Claims, 1}, nil},
			{"a", Entry{ann, "/chat", 0}, []Transition{ends("/chat", ann), ends("", ann)}},
			{"a", Entry{ann, Claims, 0}, nil},
		},
		"nothing to remove": {
			{"a", Entry{ann, "/chat", 0}, nil},
			{"a", Entry{s, "/chat", 1}, []Transition{begins("", s), begins("/chat", s)}},
			{"a", Entry{s, "/news", 0}, nil},
			{"b", Entry{s, "/chat", 0}, nil},
		},
		"not valid": {
			{"a", Entry{command.Key{Kind: command.Room, ID: "r"}, "/chat", 1}, nil},
			{"a", Entry{command.Key{Kind: command.NumKinds, ID: "r"}, "/chat", 1}, nil},
			{"a", Entry{command.Key{Kind: 255, ID: "r"}, "/chat", 1}, nil},
			{"a", Entry{user(""), "/chat", 1}, nil},
			{"a", Entry{ann, "", 1}, nil},
			{"a", Entry{ann, "/chat", -1}, nil},
			{"a", Entry{ann, "/chat", math.MinInt}, nil},
			{"a", Entry{ann, "/chat", tooMany}, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := New()
			nodes := map[string]*Node{"a": add(t, d, "a"), "b": add(t, d, "b")}
			for i, s := range steps {
				require.Equal(t, s.want, d.Apply(nodes[s.node], s.entry, nil), i)
			}
		})
	}
}

// TestQueries: what is found of the same entries, by namespace.
func TestQueries(t *testing.T) {
	d := New()
	a, b, c := add(t, d, "a"), add(t, d, "b"), add(t, d, "c")
	for n, entries := range map[*Node][]Entry{
		a: {{user("ann"), "/chat", 2}, {user("ann"), "/news", 3}, {session("s"), "/chat", 2}},
		b: {{user("ann"), "/chat", 5}, {user("bob"), "/news", 1}},
		c: {{user("ann"), Claims, 1}, {user("eve"), Claims, 9}},
	} {
		for _, e := range entries {
			d.Apply(n, e, nil)
		}
	}

	for namespace, want := range map[string]struct {
		ann, bob, eve, s int
		users, sessions  []string
		ofAnn, ofAll     []string
	}{
		"":         {10, 1, 0, 2, []string{"ann", "bob"}, []string{"s"}, []string{"a", "b", "c"}, []string{"a", "b", "c"}},
		"/chat":    {7, 0, 0, 2, []string{"ann"}, []string{"s"}, []string{"a", "b", "c"}, []string{"a", "b", "c"}},
		"/news":    {3, 1, 0, 0, []string{"ann", "bob"}, nil, []string{"a", "c"}, []string{"a", "b", "c"}},
		"/unknown": {0, 0, 0, 0, nil, nil, []string{"c"}, []string{"c"}},
		Claims:     {0, 0, 0, 0, nil, nil, []string{"c"}, []string{"c"}},
	} {
		t.Run(namespace, func(t *testing.T) {
			for k, count := range map[command.Key]int{
				user("ann"): want.ann, user("bob"): want.bob, user("eve"): want.eve, session("s"): want.s,
				session("ann"): 0, user("s"): 0, user(""): 0, {Kind: command.Room, ID: "ann"}: 0, {Kind: 255, ID: "ann"}: 0,
			} {
				require.Equal(t, count, d.Count(namespace, k), k)
				require.Equal(t, count > 0, d.Has(namespace, k), k)
			}
			require.Equal(t, want.users, slices.Sorted(d.IDs(namespace, command.User)))
			require.Equal(t, want.sessions, slices.Sorted(d.IDs(namespace, command.Session)))
			require.Len(t, want.users, d.Len(namespace, command.User))
			require.Len(t, want.sessions, d.Len(namespace, command.Session))
			for _, kind := range []command.Kind{command.Room, command.NumKinds, 255} {
				require.Zero(t, d.Len(namespace, kind))
				require.Empty(t, slices.Collect(d.IDs(namespace, kind)))
			}
			require.Equal(t, want.ofAnn, sortedNodesOf(d, namespace, user("ann")))
			require.Equal(t, want.ofAll, sortedNodesOf(d, namespace, user("bob"), user("ann"), session("s"), user("eve")))
			require.Empty(t, sortedNodesOf(d, namespace, user("nobody"), command.Key{Kind: command.Room, ID: "ann"}, command.Key{Kind: 255, ID: "ann"}))
			require.Empty(t, sortedNodesOf(d, namespace))
		})
	}
}

func sortedNodesOf(d *Directory, namespace string, keys ...command.Key) []string {
	return slices.Sorted(slices.Values(d.NodesOf(nil, namespace, keys)))
}

// TestNodesOfAppends: the names that are there stay, and are not doubled.
func TestNodesOfAppends(t *testing.T) {
	d := New()
	d.Apply(add(t, d, "a"), Entry{user("ann"), "/chat", 1}, nil)
	d.Apply(add(t, d, "b"), Entry{user("ann"), "/chat", 1}, nil)

	names := d.NodesOf([]string{"z", "b"}, "", []command.Key{user("ann"), user("ann")})

	require.Equal(t, []string{"z", "b", "a"}, names)
}

// TestNodesOfAllocatesNothing with a buffer of its caller.
func TestNodesOfAllocatesNothing(t *testing.T) {
	d := New()
	d.Apply(add(t, d, "a"), Entry{user("ann"), "/chat", 1}, nil)
	d.Apply(add(t, d, "b"), Entry{user("ann"), "/news", 1}, nil)
	names, keys := make([]string, 0, 2), []command.Key{user("ann"), session("s")}

	require.Zero(t, testing.AllocsPerRun(100, func() { names = d.NodesOf(names[:0], "", keys) }))

	require.Len(t, names, 2)
}

// TestIDsCanBeLeft in the middle, and the Directory can change meanwhile.
func TestIDsCanBeLeft(t *testing.T) {
	d := New()
	a := add(t, d, "a")
	for i := range 100 {
		d.Apply(a, Entry{user(strconv.Itoa(i)), "/chat", 1}, nil)
	}
	walked := 0
	for id := range d.IDs("/chat", command.User) {
		d.Apply(a, Entry{user(id), "/chat", 0}, nil)
		if walked++; walked == 10 {
			break
		}
	}

	require.Equal(t, 90, d.Len("/chat", command.User))
}

// TestReplace: what a node has in a shard before and after, and the transitions
// of the differences. The ids are of one shard.
func TestReplace(t *testing.T) {
	ids := idsOf(t, 7, 4)
	k := func(i int) command.Key { return user(ids[i]) }
	other := idsOf(t, 8, 1)[0]
	for name, c := range map[string]struct {
		before, given, after []Entry
		want                 []Transition
	}{
		"to nothing": {
			before: []Entry{{k(0), "/chat", 1}},
			want:   []Transition{ends("/chat", k(0)), ends("", k(0))},
		},
		"from nothing": {
			given: []Entry{{k(0), "/chat", 1}},
			after: []Entry{{k(0), "/chat", 1}},
			want:  []Transition{begins("", k(0)), begins("/chat", k(0))},
		},
		"the same": {
			before: []Entry{{k(0), "/chat", 1}, {k(1), "/news", 2}, {k(1), Claims, 2}},
			given:  []Entry{{k(1), Claims, 2}, {k(1), "/news", 2}, {k(0), "/chat", 1}},
			after:  []Entry{{k(0), "/chat", 1}, {k(1), "/news", 2}, {k(1), Claims, 2}},
		},
		"other counts": {
			before: []Entry{{k(0), "/chat", 1}, {k(1), "/news", 2}},
			given:  []Entry{{k(0), "/chat", 3}, {k(1), "/news", 1}},
			after:  []Entry{{k(0), "/chat", 3}, {k(1), "/news", 1}},
		},
		"an id moves": {
			before: []Entry{{k(0), "/chat", 1}},
			given:  []Entry{{k(0), "/news", 1}},
			after:  []Entry{{k(0), "/news", 1}},
			want:   []Transition{begins("/news", k(0)), ends("/chat", k(0))},
		},
		"one comes and one goes": {
			before: []Entry{{k(0), "/chat", 1}, {k(1), "/chat", 1}},
			given:  []Entry{{k(1), "/chat", 1}, {k(2), "/chat", 1}},
			after:  []Entry{{k(1), "/chat", 1}, {k(2), "/chat", 1}},
			want:   []Transition{begins("", k(2)), begins("/chat", k(2)), ends("/chat", k(0)), ends("", k(0))},
		},
		"one that is on another node, too": {
			before: []Entry{{k(3), "/chat", 1}},
		},
		"the last one of several counts": {
			given: []Entry{{k(0), "/chat", 1}, {k(0), "/chat", 4}},
			after: []Entry{{k(0), "/chat", 4}},
			want:  []Transition{begins("", k(0)), begins("/chat", k(0))},
		},
		"not valid, or of another shard": {
			before: []Entry{{k(0), "/chat", 1}, {k(2), "/chat", 1}},
			given: []Entry{
				{k(0), "/chat", 1},
				{k(2), "/chat", 1},
				{k(2), "/chat", 0},
				{user(other), "/chat", 1},
				{k(1), "", 1},
				{k(1), "/chat", -1},
				{command.Key{Kind: command.Room, ID: ids[1]}, "/chat", 1},
				{command.Key{Kind: 255, ID: ids[1]}, "/chat", 1},
			},
			after: []Entry{{k(0), "/chat", 1}, {k(2), "/chat", 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := New()
			a, b := add(t, d, "a"), add(t, d, "b")
			d.Apply(b, Entry{k(3), "/chat", 1}, nil)
			outside := Entry{user(other), "/news", 1}
			d.Apply(a, outside, nil)
			for _, e := range c.before {
				d.Apply(a, e, nil)
			}

			require.Equal(t, c.want, d.Replace(a, 7, c.given, nil))

			require.ElementsMatch(t, c.after, d.AppendEntries(nil, a, 7))
			require.Equal(t, []Entry{outside}, d.AppendEntries(nil, a, 8), "other shards stay")
			require.Equal(t, []Entry{{k(3), "/chat", 1}}, entriesOf(d, b), "other nodes stay")
			require.Equal(t, digestOf(t, entriesOf(d, a)), a.Digest())
		})
	}
}

// TestShardsOutOfRange are ignored.
func TestShardsOutOfRange(t *testing.T) {
	d := New()
	a := add(t, d, "a")
	for _, shard := range []int{-1, Shards, math.MaxInt, math.MinInt} {
		require.Empty(t, d.Replace(a, shard, []Entry{{user("ann"), "/chat", 1}}, nil))
		require.Empty(t, d.AppendEntries(nil, a, shard))
	}
	requireEmpty(t, d)
}

// idsOf returns ids of users in a shard.
func idsOf(t testing.TB, shard, n int) (ids []string) {
	t.Helper()
	for i := 0; len(ids) < n; i++ {
		if id := fmt.Sprintf("user-%06d", i); ShardOf(user(id)) == shard {
			ids = append(ids, id)
		}
	}
	return ids
}

// digestOf returns the digest of a node with these entries and no others, in
// another Directory that met other namespaces before.
func digestOf(t testing.TB, entries []Entry) Digest {
	t.Helper()
	d := New()
	d.Apply(add(t, d, "first"), Entry{user("somebody"), "/else", 1}, nil)
	n := add(t, d, "second")
	for _, e := range slices.Backward(entries) {
		d.Apply(n, e, nil)
	}
	return n.Digest()
}

// TestDigest: it is that of the entries, however a node has come to them, and
// every part of an entry matters.
func TestDigest(t *testing.T) {
	d := New()
	a := add(t, d, "a")
	require.Zero(t, a.Digest())
	d.Apply(a, Entry{user("ann"), "/chat", 3}, nil)
	d.Apply(a, Entry{user("bob"), "/chat", 1}, nil)
	d.Apply(a, Entry{session("s"), Claims, 1}, nil)
	d.Apply(a, Entry{user("ann"), "/chat", 2}, nil)
	d.Apply(a, Entry{user("bob"), "/chat", 0}, nil)
	d.Apply(a, Entry{user("eve"), "/chat", 0}, nil)
	require.Equal(t, digestOf(t, []Entry{{session("s"), Claims, 1}, {user("ann"), "/chat", 2}}), a.Digest())

	seen := make(map[uint64][]Entry)
	for _, entries := range [][]Entry{
		{{user("ann"), "/chat", 1}},
		{{user("ann"), "/chat", 2}},
		{{user("anm"), "/chat", 1}},
		{{session("ann"), "/chat", 1}},
		{{user("ann"), "/news", 1}},
		{{user("ann"), Claims, 1}},
		{{user("ann"), "/chat", 1}, {user("ann"), "/news", 1}},
		{{user("ann"), "/chat", 1}, {user("bob"), "/news", 1}},
		{{user("ann"), "/news", 1}, {user("bob"), "/chat", 1}},
		{{user("ann"), "/chat", 1}, {user("bob"), "/news", 2}},
		{{user("ann"), "/chat", 2}, {user("bob"), "/news", 1}},
	} {
		digest := digestOf(t, entries)
		require.Equal(t, len(entries), digest.Entries)
		require.Empty(t, seen[digest.Checksum], entries)
		seen[digest.Checksum] = entries
	}

	d.Apply(a, Entry{session("s"), Claims, 0}, nil)
	d.Apply(a, Entry{user("ann"), "/chat", 0}, nil)
	require.Zero(t, a.Digest())
}

// TestProtocol: other processes compute the same shards and checksums. A
// failure means that nodes of two versions do not understand each other.
func TestProtocol(t *testing.T) {
	require.Equal(t, 1024, Shards)
	require.Equal(t, 787, ShardOf(user("ann")))
	require.Equal(t, 269, ShardOf(session("01ARZ3NDEKTSV4RRFFQ69G5FAV")))
	require.Equal(t, uint64(0x899aac0adb5bc129), digestOf(t, []Entry{
		{user("ann"), "/chat", 2}, {session("01ARZ3NDEKTSV4RRFFQ69G5FAV"), Claims, 1},
	}).Checksum)
}

// TestShardsAreEven: also with ids that differ in little.
func TestShardsAreEven(t *testing.T) {
	var sizes [Shards]int
	for i := range 200 * Shards {
		sizes[ShardOf(user(strconv.Itoa(i)))]++
	}

	require.Greater(t, slices.Min(sizes[:]), 120)
	require.Less(t, slices.Max(sizes[:]), 300)
}

// TestRemove: nothing finds the entries of a node from Remove on, and the
// transitions come with the portions.
func TestRemove(t *testing.T) {
	d := New()
	a, b := add(t, d, "a"), add(t, d, "b")
	for _, e := range []Entry{{user("ann"), "/chat", 1}, {user("ann"), "/news", 2}, {user("bob"), "/chat", 3}, {user("eve"), Claims, 1}} {
		d.Apply(a, e, nil)
	}
	d.Apply(b, Entry{user("ann"), "/chat", 4}, nil)

	transitions, more := d.Sweep(a, nil)
	require.Empty(t, transitions)
	require.False(t, more, "of a node that is there")
	d.Remove(a)

	require.Equal(t, 4, d.Count("", user("ann")))
	require.False(t, d.Has("/news", user("ann")))
	require.False(t, d.Has("", user("bob")))
	require.Equal(t, []string{"ann"}, slices.Collect(d.IDs("", command.User)))
	require.Equal(t, []string{"b"}, d.NodesOf(nil, "", []command.Key{user("ann"), user("bob"), user("eve")}))
	require.Zero(t, a.Digest())
	require.Empty(t, entriesOf(d, a))
	require.Equal(t, 2, d.Len("", command.User), "until Sweep")

	require.Empty(t, d.Apply(a, Entry{user("eve"), "/chat", 1}, nil))
	require.Empty(t, d.Apply(a, Entry{user("bob"), "/chat", 0}, nil))
	require.Empty(t, d.Replace(a, ShardOf(user("bob")), nil, nil))

	require.ElementsMatch(t, []Transition{ends("/news", user("ann")), ends("/chat", user("bob")), ends("", user("bob"))}, sweep(d, a))
	require.Equal(t, 1, d.Len("", command.User))
	transitions, more = d.Sweep(a, nil)
	require.Empty(t, transitions)
	require.False(t, more)
	d.Remove(a)
	d.Apply(b, Entry{user("ann"), "/chat", 0}, nil)
	requireEmpty(t, d)
}

// TestSweepIsInPortions: one shard at a time.
func TestSweepIsInPortions(t *testing.T) {
	d := New()
	a := add(t, d, "a")
	for i := range 5000 {
		d.Apply(a, Entry{session(strconv.Itoa(i)), "/chat", 1}, nil)
	}
	d.Remove(a)

	portions, before := 0, d.Len("", command.Session)
	for more := true; more; portions++ {
		var out []Transition
		out, more = d.Sweep(a, nil)
		require.LessOrEqual(t, len(out), 2*20)
		after := d.Len("", command.Session)
		require.Equal(t, 2*(before-after), len(out), "Len goes with the transitions")
		before = after
	}

	require.Equal(t, Shards, portions)
	requireEmpty(t, d)
}

// TestReturn: a node that comes back under its name is another one. An id that
// it has again does not leave meanwhile.
func TestReturn(t *testing.T) {
	d := New()
	before := add(t, d, "a")
	d.Apply(before, Entry{user("ann"), "/chat", 2}, nil)
	d.Apply(before, Entry{user("bob"), "/chat", 2}, nil)

	now, earlier := d.Add("a")
	require.Same(t, before, earlier)
	require.False(t, d.Has("", user("ann")))
	require.Empty(t, d.NodesOf(nil, "", []command.Key{user("ann")}))

	require.Empty(t, d.Apply(before, Entry{user("eve"), "/chat", 1}, nil), "a late message")
	require.Empty(t, d.Apply(now, Entry{user("ann"), "/chat", 1}, nil), "ann was there all the time")
	require.Equal(t, 1, d.Count("", user("ann")))
	d.Remove(before)
	require.Equal(t, []string{"a"}, d.NodesOf(nil, "", []command.Key{user("ann")}), "removed once more")

	require.Equal(t, []Transition{ends("/chat", user("bob")), ends("", user("bob"))}, sweep(d, before))
	require.Equal(t, []Entry{{user("ann"), "/chat", 1}}, entriesOf(d, now))
	require.Equal(t, Digest{1, digestOf(t, entriesOf(d, now)).Checksum}, now.Digest())

	third, earlier := d.Add("a")
	require.Same(t, now, earlier)
	require.Equal(t, []Transition{ends("/chat", user("ann")), ends("", user("ann"))}, sweep(d, now))
	d.Remove(third)
	require.Empty(t, sweep(d, third))
	requireEmpty(t, d)
}

// TestNumbersAreUsedAgain: a node that comes back many times takes no memory.
func TestNumbersAreUsedAgain(t *testing.T) {
	d := New()
	d.Apply(add(t, d, "b"), Entry{user("ann"), "/chat", 1}, nil)
	for i := range 50 {
		n := add(t, d, "a")
		require.Zero(t, d.Count("/a", user("ann")), i)
		d.Apply(n, Entry{user("ann"), "/a", 1}, nil)
		d.Remove(n)
		sweep(d, n)
	}

	require.Len(t, d.tables.Load().nodes, 2)
	require.Equal(t, []uint32{1}, d.free)
	require.Len(t, d.live, 1)
}

// TestIDsAreCopied: nothing of what a message was decoded into is kept, neither
// in the Directory nor in the transitions.
func TestIDsAreCopied(t *testing.T) {
	message := []byte("ann /chat /news a b")
	text := unsafe.String(&message[0], len(message))
	ann, chat, news := user(text[0:3]), text[4:9], text[10:15]
	shard := ShardOf(ann)
	d := New()
	a, b := add(t, d, text[16:17]), add(t, d, text[18:19])

	var transitions []Transition
	transitions = d.Apply(a, Entry{ann, chat, 1}, transitions)                              // a new id
	transitions = d.Apply(a, Entry{ann, chat, 2}, transitions)                              // another count
	transitions = d.Apply(a, Entry{ann, news, 1}, transitions)                              // another entry of the id
	transitions = d.Apply(a, Entry{ann, chat, 0}, transitions)                              // the first entry of the id goes
	transitions = d.Replace(b, shard, []Entry{{ann, chat, 1}, {ann, news, 1}}, transitions) // another node
	transitions = d.Apply(a, Entry{ann, news, 0}, transitions)
	for i := range message {
		message[i] = '!'
	}

	require.Equal(t, []Transition{
		begins("", user("ann")), begins("/chat", user("ann")), begins("/news", user("ann")), ends("/chat", user("ann")), begins("/chat", user("ann")),
	}, transitions)
	require.Equal(t, []Entry{{user("ann"), "/chat", 1}, {user("ann"), "/news", 1}}, entriesOf(d, b))
	require.Equal(t, []string{"b"}, d.NodesOf(nil, "/chat", []command.Key{user("ann")}))
	_, earlier := d.Add("a")
	require.Same(t, a, earlier)
}

// TestShrinks: after a peak the memory of a shard is given back, and what is
// left is still found.
func TestShrinks(t *testing.T) {
	d := New()
	a, b := add(t, d, "a"), add(t, d, "b")
	ids := idsOf(t, 3, 200)
	for _, id := range ids {
		d.Apply(a, Entry{user(id), "/chat", 1}, nil)
		d.Apply(a, Entry{user(id), "/news", 2}, nil)
		d.Apply(a, Entry{user(id), Claims, 3}, nil)
	}
	kept := []Entry{{user(ids[0]), "/chat", 1}, {user(ids[0]), "/news", 2}, {user(ids[1]), Claims, 3}, {user(ids[2]), "/news", 2}}
	d.Apply(b, Entry{user(ids[0]), "/chat", 4}, nil)
	require.Len(t, d.shards[3].records, 602)

	d.Replace(a, 3, kept, nil)

	require.LessOrEqual(t, cap(d.shards[3].records), 16)
	require.Equal(t, kept, entriesOf(d, a))
	require.Equal(t, []Entry{{user(ids[0]), "/chat", 4}}, entriesOf(d, b))
	for _, id := range ids { // and grows again
		d.Apply(a, Entry{user(id), "/chat", 1}, nil)
	}
	require.Equal(t, 200, d.Len("/chat", command.User))
	require.Equal(t, 5, d.Count("/chat", user(ids[0])))
}

// TestNames: a node keeps its name.
func TestNames(t *testing.T) {
	require.Equal(t, strings.Repeat("a", 64), add(t, New(), strings.Repeat("a", 64)).Name())
}
