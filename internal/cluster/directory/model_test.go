package directory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// place is where an entry is, on a node.
type place = presence.Key

// modelNode is what a node has.
type modelNode struct {
	node    *Node
	name    string
	entries map[place]int
	removed bool
	swept   int // shards
}

// run is a Directory and its model, to which the same happens. What happens
// next is read from bytes.
type run struct {
	t       *testing.T
	d       *Directory
	nodes   []*modelNode // without those that were swept
	present map[place]bool
	input   []byte
}

// Ids that share few shards, and the namespaces.
var (
	modelShards     = []int{0, 1, Shards - 1}
	modelKeys       = keysOf(modelShards, 4)
	modelNames      = []string{"a", "b", "c", "d"}
	modelNamespaces = []string{"/chat", "/news", Claims}
)

// keysOf returns some sessions and users of each shard.
func keysOf(shards []int, n int) (keys []command.Key) {
	for _, kind := range []command.Kind{command.Session, command.User} {
		for _, shard := range shards {
			for i, found := 0, 0; found < n; i++ {
				if k := (command.Key{Kind: kind, ID: fmt.Sprint("id-", i)}); ShardOf(k) == shard {
					keys = append(keys, k)
					found++
				}
			}
		}
	}
	return keys
}

func (r *run) choose(n int) int {
	if len(r.input) == 0 {
		return 0
	}
	b := r.input[0]
	r.input = r.input[1:]
	return int(b) % n
}

func (r *run) entry() Entry {
	return Entry{modelKeys[r.choose(len(modelKeys))], modelNamespaces[r.choose(3)], r.choose(3)}
}

// node returns a node that was not swept; nil if there is none.
func (r *run) node() *modelNode {
	if len(r.nodes) == 0 {
		return nil
	}
	return r.nodes[r.choose(len(r.nodes))]
}

func (r *run) step() {
	switch op, n := r.choose(16), r.node(); {
	case op == 0 || n == nil:
		r.add(modelNames[r.choose(4)])
	case op == 1:
		r.d.Remove(n.node)
		n.removed = true
	case op <= 5:
		r.sweep(n, op)
	case op <= 8:
		r.replace(n)
	default:
		e := r.entry()
		got := r.d.Apply(n.node, e, nil)
		if !n.removed {
			n.set(e)
		}
		r.requireTransitions(got)
	}
}

func (n *modelNode) set(e Entry) {
	at := place{Namespace: e.Namespace, Key: e.Key}
	if n.entries[at] = e.Count; e.Count == 0 {
		delete(n.entries, at)
	}
}

func (r *run) add(name string) {
	node, earlier := r.d.Add(name)
	i := slices.IndexFunc(r.nodes, func(n *modelNode) bool { return n.name == name && !n.removed })
	if i < 0 {
		require.Nil(r.t, earlier)
	} else {
		require.Same(r.t, r.nodes[i].node, earlier)
		r.nodes[i].removed = true
	}
	r.nodes = append(r.nodes, &modelNode{node: node, name: name, entries: make(map[place]int)})
}

// sweep sweeps a few shards, or all that are left.
func (r *run) sweep(n *modelNode, op int) {
	portions := 1 + r.choose(4)
	if op <= 3 {
		portions = Shards
	}
	for range portions {
		got, more := r.d.Sweep(n.node, nil)
		if !n.removed {
			require.False(r.t, more)
			require.Empty(r.t, got)
			return
		}
		if slices.Contains(modelShards, n.swept) {
			n.clear(n.swept)
			r.requireTransitions(got)
		} else {
			require.Empty(r.t, got)
		}
		n.swept++
		require.Equal(r.t, n.swept < Shards, more)
		if !more {
			r.nodes = slices.DeleteFunc(r.nodes, func(o *modelNode) bool { return o == n })
			return
		}
	}
}

func (n *modelNode) clear(shard int) {
	for at := range n.entries {
		if ShardOf(at.Key) == shard {
			delete(n.entries, at)
		}
	}
}

func (r *run) replace(n *modelNode) {
	shard := modelShards[r.choose(len(modelShards))]
	var entries []Entry
	if r.choose(2) == 0 { // what it has, with a few differences
		entries = r.d.AppendEntries(nil, n.node, shard)
	}
	for range r.choose(8) {
		entries = append(entries, r.entry())
	}
	got := r.d.Replace(n.node, shard, entries, nil)
	if !n.removed {
		n.clear(shard)
		for _, e := range entries {
			if ShardOf(e.Key) == shard && e.Count > 0 {
				n.set(e)
			}
		}
	}
	r.requireTransitions(got)
}

// requireTransitions requires that these are exactly those from what was
// present before to what is now. So those of each key alternate.
func (r *run) requireTransitions(got []Transition) {
	t := r.t
	now := make(map[place]bool)
	for _, n := range r.nodes {
		for at := range n.entries {
			if at.Namespace != Claims {
				now[at], now[place{Key: at.Key}] = true, true
			}
		}
	}
	told := make(map[place]bool)
	for _, tr := range got {
		require.Equal(t, tr.Present, !r.present[tr.Key], tr)
		require.False(t, told[tr.Key], "each key once")
		told[tr.Key] = true
		if tr.Present {
			r.present[tr.Key] = true
		} else {
			delete(r.present, tr.Key)
		}
	}
	require.Equal(t, now, r.present)
}

// check compares the answers to all queries.
func (r *run) check() {
	t := r.t
	for _, namespace := range []string{"", "/chat", "/news", "/unknown", Claims} {
		isIn := func(at place) bool {
			return namespace != Claims && at.Namespace != Claims && (namespace == "" || at.Namespace == namespace)
		}
		for _, kind := range []command.Kind{command.Session, command.User} {
			ids, length := make(map[string]int), 0
			for _, n := range r.nodes {
				for at, count := range n.entries {
					if !n.removed && at.Kind == kind && isIn(at) {
						ids[at.ID] += count
					}
				}
			}
			for at := range r.present {
				if at.Kind == kind && at.Namespace == namespace {
					length++
				}
			}
			require.Equal(t, length, r.d.Len(namespace, kind))
			got := slices.Collect(r.d.IDs(namespace, kind))
			require.Len(t, got, len(ids))
			for _, id := range got {
				require.Contains(t, ids, id)
			}
			for _, k := range modelKeys {
				if k.Kind == kind {
					require.Equal(t, ids[k.ID], r.d.Count(namespace, k))
					require.Equal(t, ids[k.ID] > 0, r.d.Has(namespace, k))
				}
			}
		}
		for i := range modelKeys {
			keys := modelKeys[i:min(i+2, len(modelKeys))]
			names := make(map[string]bool)
			for _, n := range r.nodes {
				for at := range n.entries {
					if !n.removed && slices.Contains(keys, at.Key) && (namespace == "" || at.Namespace == namespace || at.Namespace == Claims) {
						names[n.name] = true
					}
				}
			}
			got := r.d.NodesOf(nil, namespace, keys)
			require.Len(t, got, len(names))
			for _, name := range got {
				require.Contains(t, names, name)
			}
		}
	}
	for _, n := range r.nodes {
		var entries []Entry
		for at, count := range n.entries {
			if !n.removed {
				entries = append(entries, Entry{at.Key, at.Namespace, count})
			}
		}
		slices.SortFunc(entries, compareEntries)
		require.Equal(t, entries, entriesOf(r.d, n.node))
		require.Equal(t, digestOf(t, entries), n.node.Digest())
	}
}

// end removes everything.
func (r *run) end() {
	for _, n := range slices.Clone(r.nodes) {
		r.d.Remove(n.node)
		n.removed = true
		r.sweep(n, 2)
	}
	require.Empty(r.t, r.present)
	requireEmpty(r.t, r.d)
	require.Empty(r.t, r.d.live)
	require.Len(r.t, r.d.free, len(r.d.tables.Load().nodes))
}

func runModel(t *testing.T, input []byte) {
	r := &run{t: t, d: New(), present: make(map[place]bool), input: input}
	for i := 0; len(r.input) > 0; i++ {
		r.step()
		if i%20 == 0 {
			r.check()
		}
	}
	r.check()
	r.end()
}

// TestModel: the Directory behaves as maps do.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			input := make([]byte, 1500)
			for i := range input {
				input[i] = byte(random.Uint32())
			}
			runModel(t, input)
		})
	}
}

func FuzzModel(f *testing.F) {
	f.Add([]byte{0, 0, 9, 0, 0, 0, 1})
	f.Add([]byte{0, 0, 9, 0, 1, 0, 1, 1, 0, 0, 0, 0, 9, 1, 1, 0, 1, 2, 0, 0})
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > 2000 {
			t.Skip("which takes long and says no more than a short one")
		}
		runModel(t, input)
	})
}
