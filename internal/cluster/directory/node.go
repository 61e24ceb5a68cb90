package directory

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Node is one incarnation of a node of the cluster, from Directory.Add to
// Directory.Remove. When a node comes back under the same name, it is another
// Node.
type Node struct {
	name    string
	number  uint32
	removed atomic.Bool

	sweeps atomic.Int32 // the number of shards that Sweep has started
	swept  atomic.Int32 // the number of shards that Sweep has finished

	mu sync.Mutex
	nodeByMu
}

// nodeByMu is guarded by Node.mu.
type nodeByMu struct {
	digest Digest
}

// Digest identifies a set of entries: the same set has the same digest on every
// node.
type Digest struct {
	Entries  int
	Checksum uint64 // the sum of the hashes of the entries
}

// Add adds a node without entries. If there is a node with this name, Add
// removes it and returns it as earlier, and the caller must call Sweep for it.
func (d *Directory) Add(name string) (n, earlier *Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	earlier = d.live[name]
	if earlier != nil {
		earlier.removed.Store(true)
	}
	t := *d.tables.Load()
	n = &Node{name: strings.Clone(name)}
	if last := len(d.free) - 1; last >= 0 {
		n.number, d.free = d.free[last], d.free[:last]
		t.nodes = slices.Clone(t.nodes)
		t.nodes[n.number] = n
	} else {
		n.number = uint32(len(t.nodes))
		t.nodes = append(slices.Clip(t.nodes), n)
	}
	d.tables.Store(&t)
	d.live[n.name] = n
	return n, earlier
}

// Remove removes a node. From now on, queries ignore its entries. The caller
// must call Sweep for it.
func (d *Directory) Remove(n *Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n.removed.Store(true)
	if d.live[n.name] == n {
		delete(d.live, n.name)
	}
}

// release frees the number of a node. No shard may have entries of the node.
func (d *Directory) release(n *Node) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := *d.tables.Load()
	t.nodes = slices.Clone(t.nodes)
	t.nodes[n.number] = nil
	d.tables.Store(&t)
	d.free = append(d.free, n.number)
}

// Name returns the name of the node.
func (n *Node) Name() string { return n.name }

// Digest returns the digest of the node's entries. After Directory.Remove it is
// zero.
func (n *Node) Digest() Digest {
	if n.removed.Load() {
		return Digest{}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.digest
}

func (n *Node) addToDigest(by Digest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.digest.Entries += by.Entries
	n.digest.Checksum += by.Checksum
}
