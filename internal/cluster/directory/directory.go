// Package directory knows which sessions and users are connected to which nodes
// of a cluster. Every node has a Directory of the whole cluster, with its own
// entries and with copies of the entries of other nodes. Queries need no
// network.
//
// It does no I/O, does not depend on a protocol, calls no callbacks, and starts
// no goroutine and no timer. The layer above adds and removes nodes, applies
// the changes that they announce, and passes the transitions to package
// presence.
//
// The hash of the kind and id of an entry gives its shard, the same on every
// node. Remove hides all entries of a node at once, and Sweep removes them
// shard by shard. Hidden entries still count for transitions and for Len, so
// that these two always agree.
//
// Locks, in this order:
//
//  1. shard.mu, of one shard at a time. It guards shardByMu, and namespace.ids
//     changes with it held. It must be held for functions whose name ends in
//     Locked. It must be held for writing if they change anything.
//  2. Node.mu. It guards nodeByMu.
//
// Directory.mu guards directoryByMu, and Directory.tables changes with it held.
// No other lock is held at the same time.
//
// Directory.tables is read without a lock, and its value is immutable. To look
// up the node of an entry, it must be loaded with shard.mu held: the number of
// a node is used again only when no shard has entries of that node.
package directory

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mojosocket/mojo/internal/command"
)

// Directory has the entries of all nodes. Its methods are safe for concurrent
// use.
//
// The transitions of one key alternate, in the order of its changes. To process
// them in this order, concurrent callers must hold a lock of their own during
// the change and the processing of its transitions.
type Directory struct {
	shards [Shards]shard
	tables atomic.Pointer[tables]
	mu     sync.Mutex
	directoryByMu
}

// directoryByMu is guarded by Directory.mu.
type directoryByMu struct {
	live map[string]*Node // by name
	free []uint32         // numbers to use again
}

// tables has the nodes and namespaces that records refer to by number. It is
// immutable.
type tables struct {
	nodes      []*Node      // by number; nil if the number is free
	namespaces []*namespace // by number
	byName     map[string]*namespace
}

// namespace is a namespace that an entry is in or was in. It is never removed.
type namespace struct {
	name   string
	number uint32
	hash   uint64
	ids    [command.NumKinds]atomic.Int64 // the number of ids of each kind
}

// The numbers of the namespaces "", which has no entries of its own, and
// Claims.
const (
	wholeServer uint32 = iota
	claims
)

// New returns a Directory without nodes.
func New() *Directory {
	d := new(Directory)
	d.live = make(map[string]*Node)
	d.tables.Store(new(tables))
	d.namespace("")
	d.namespace(Claims)
	return d
}

// namespace returns the namespace with this name and creates it if there is
// none.
func (d *Directory) namespace(name string) *namespace {
	if ns := d.tables.Load().byName[name]; ns != nil {
		return ns
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t := *d.tables.Load()
	if ns := t.byName[name]; ns != nil {
		return ns
	}
	name = strings.Clone(name)
	ns := &namespace{name: name, number: uint32(len(t.namespaces)), hash: hash(command.Key{ID: name})}
	t.namespaces = append(slices.Clip(t.namespaces), ns)
	t.byName = maps.Clone(t.byName)
	if t.byName == nil {
		t.byName = make(map[string]*namespace)
	}
	t.byName[name] = ns
	d.tables.Store(&t)
	return ns
}
