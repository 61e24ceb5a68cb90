package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/cluster/directory"
	"github.com/mojosocket/mojo/internal/cluster/members"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// Local applies to this node what other nodes send. The methods are called by
// one goroutine at a time, if they do not say otherwise.
type Local interface {
	Emit(cmd *command.Emit)
	// Ask sends an event whose answers are wanted. It calls begin before the
	// first answer, and answer for each connection that has answered or will not,
	// from any goroutine.
	Ask(cmd *command.Emit, begin func(Question), answer func(number int, a answers.Answer))
	// Notified delivers a notification for the site's code: a JSON array of its
	// name and arguments, which Local keeps. answer is nil or is called once, from
	// any goroutine.
	Notified(data []byte, answer func(a answers.Answer))
	Join(cmd *command.Join)
	Leave(cmd *command.Leave)
	Disconnect(cmd *command.Disconnect, wholeConn bool)
	Extend(cmd *command.Extend)

	// Rooms returns the rooms of a namespace, as the Bus names them, that
	// connections here are in. Sockets returns the connections here that a
	// selector selects. Both may be called at any time.
	Rooms(namespace string) []string
	Sockets(sel *command.Selector) []cluster.Socket

	Rebind(cmd *command.Rebind)
	// Revoke returns the sessions that were revoked here.
	Revoke(cmd *command.Revoke, why *wire.Reason) (sessions []string)
	RevokeIdentity(cmd *command.RevokeIdentity, why *wire.Reason)

	// Ledger returns what is not valid any more, and Merge adds what another
	// node has.
	Ledger() []ledger.Entry
	Merge(entries []ledger.Entry)

	// DoPresenceWork does what the node asks for. It may be called by several
	// goroutines.
	DoPresenceWork(work presence.Work)

	// TakeChanges returns out with the entries of this node appended that have
	// changed since the last call, and passes those of rooms to Node.Occupy. It
	// may be called at any time, by one goroutine at a time.
	TakeChanges(out []directory.Entry) []directory.Entry
	// Occupied reports whether connections here have a key in a namespace or, if
	// the key has no id, are in the namespace. It may be called at any time.
	Occupied(namespace string, k command.Key) bool
}

// Config configures a Node.
type Config struct {
	Name    string // of the node, see NewName
	Bus     cluster.Bus
	Secrets []seal.Secret // the first one seals
	Info    wire.NodeInfo
	Local   Local

	PresenceGrace time.Duration
	WatchPresence bool // tell the transitions of the whole server, see Watch for those of a namespace

	Log    *slog.Logger
	Outbox int // bytes that may wait to be published
}

// ErrDown is returned while the cluster cannot be reached.
var ErrDown = errors.New("the cluster cannot be reached")

// Node is this process in a cluster. Its methods are safe for concurrent use.
type Node struct {
	config Config
	name   string
	link   cluster.Link
	opener *seal.Opener
	out    *outbox
	dir    *directory.Directory
	counts counts

	isolated atomic.Bool // the phase is Isolated; changes with mu held
	stop     context.CancelFunc
	ended    <-chan struct{} // closed by stop
	stopped  sync.WaitGroup
	closing  sync.Once

	entries entries
	applied applied              // used by the goroutine of the Bus alone
	warned  map[string]time.Time // about the clocks of nodes, and when; like applied
	checked time.Time            // when checkClock warned; used by run alone

	changes sync.Mutex // held while members change, until the change is complete
	mu      sync.Mutex
	nodeByMu
}

// nodeByMu is guarded by Node.mu.
type nodeByMu struct {
	members *members.Members
	phase   members.Phase
	changed chan struct{} // closed at the next change of the phase
	pending pending
	asks    asks
	serving map[questionID]*serving
}

// counts is what a Node counts. Counts only grow.
type counts struct {
	forged   atomic.Uint64 // messages that were not sealed by the cluster
	unknown  atomic.Uint64 // messages of a kind that is not known, or malformed
	stale    atomic.Uint64 // messages for people that came while this node was isolated
	repeated atomic.Uint64 // commands that were applied already
	late     atomic.Uint64 // commands that were not confirmed in time
	ahead    atomic.Uint64 // commands and ledger entries that were ahead of the cluster's time
}

// NewName returns the name of a node, which no other node has.
func NewName() string { return rand.Text() }

// New returns a Node that does nothing before Start.
func New(config Config) *Node {
	name := config.Name
	origin := seal.Origin{Node: name, Incarnation: 1}
	n := &Node{
		config: config, name: name, opener: seal.NewOpener(config.Secrets...),
		out: newOutbox(config.Outbox, seal.NewSealer(config.Secrets[0], origin)), dir: directory.New(),
	}
	n.out.down = true
	n.entries.self, _ = n.dir.Add(name)
	n.entries.others, n.entries.named = make(map[string]*remote), make(map[string]time.Time)
	n.entries.presenceState = n.newPresence()
	n.applied, n.warned = make(applied), make(map[string]time.Time)
	n.members = members.New(origin, config.Info, time.Now)
	n.changed = make(chan struct{})
	n.pending.byID = make(map[uint64]*call)
	n.asks.byID = make(map[uint64]map[string]askPart)
	n.serving = make(map[questionID]*serving)
	return n
}

// Start begins to join the cluster. It does not wait for that. An error is the
// Bus's, and the Node must not be used then.
func (n *Node) Start() error {
	link, err := n.config.Bus.Open(n.name, receiver{n})
	if err != nil {
		return err
	}
	n.link = link
	ctx, stop := context.WithCancel(context.Background())
	n.stop, n.ended = stop, ctx.Done()
	n.stopped.Go(func() { n.out.run(ctx, link) })
	n.stopped.Go(func() { n.run(ctx) })
	return nil
}

// Mount tells the broker that this node serves a namespace, if the Link wants to
// know.
func (n *Node) Mount(namespace string) {
	if m, ok := n.link.(cluster.Mounter); ok {
		m.Mount(namespace)
	}
	n.entries.mu.Lock()
	defer n.entries.mu.Unlock()
	n.Occupy(namespace, "", true)
}

// Occupy tells the broker whether connections of this node are in a room, if the
// Link wants to know. It must be called by one goroutine at a time: by Mount, and
// by Local.TakeChanges.
func (n *Node) Occupy(namespace, room string, occupied bool) {
	if o, ok := n.link.(cluster.Occupier); ok {
		o.Occupy(namespace, room, occupied)
	}
}

// Name is the name of this node, which no other node has.
func (n *Node) Name() string { return n.name }

func (n *Node) self() seal.Origin {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.members.Self()
}

func (n *Node) isReady() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.phase == members.Ready
}

func (n *Node) returned() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.members.Returned()
}

// AdvertisedBy returns the address of the member whose name has a prefix. It is
// nil if there is none, or if that has no address.
func (n *Node) AdvertisedBy(prefix string) *url.URL {
	n.mu.Lock()
	defer n.mu.Unlock()
	address := n.members.Advertised(prefix)
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	return u
}

// Isolated reports whether this node cannot reach the cluster.
func (n *Node) Isolated() bool { return n.isolated.Load() }

// Members returns the nodes of the cluster, this one first.
func (n *Node) Members() []members.Member {
	n.mu.Lock()
	defer n.mu.Unlock()
	self := members.Member{Origin: n.members.Self(), NodeInfo: n.config.Info, Heard: n.members.Returned()}
	return append([]members.Member{self}, n.members.All()...)
}

// run lets time pass for the members and for commands that are not confirmed.
func (n *Node) run(ctx context.Context) {
	ticker := time.NewTicker(members.Period / 4)
	defer ticker.Stop()
	for {
		n.tick()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) tick() {
	n.change(func() members.Result { return n.members.Tick() })
	n.checkClock()
	n.mu.Lock()
	again := n.pending.repeatLocked(time.Now())
	n.mu.Unlock()
	for _, m := range again {
		n.out.put(m)
	}
}

// change changes the members, and does what the result asks for.
func (n *Node) change(run func() members.Result) members.Result {
	n.changes.Lock()
	defer n.changes.Unlock()
	n.mu.Lock()
	before := n.phase
	r := run()
	again := n.finishLocked(&r)
	after, count := n.phase, n.members.Len()
	n.mu.Unlock()
	if after != before {
		n.config.Log.Info("mojo: the state of this node in its cluster has changed", "node", n.name, "state", after.String(), "others", count)
	}
	for _, m := range r.Joined {
		n.config.Log.Info("mojo: a node has joined the cluster", "node", m.Node, "host", m.Host)
	}
	for _, m := range r.Left {
		n.config.Log.Info("mojo: a node has left the cluster", "node", m.Node, "host", m.Host)
	}
	if after != before || r.HasWork() {
		n.act(&r, again)
	}
	return r
}

// finishLocked does what a result changes under Node.mu. It returns the
// commands that new members have to get.
func (n *Node) finishLocked(r *members.Result) (again []outgoing) {
	if r.Rejoined {
		n.out.setSealer(seal.NewSealer(n.config.Secrets[0], n.members.Self()))
	}
	for _, m := range r.Left {
		n.pending.removeLocked(m.Node, n.members.Phase() != members.Ready)
	}
	for _, m := range r.Joined {
		again = append(again, n.pending.addLocked(m.Node)...)
	}
	if phase := n.members.Phase(); phase != n.phase {
		n.phase = phase
		n.isolated.Store(phase == members.Isolated)
		close(n.changed)
		n.changed = make(chan struct{})
		if phase == members.Ready {
			n.pending.releaseLocked()
		}
	}
	return again
}

// act does the rest of what a result asks for, and sends commands again.
func (n *Node) act(r *members.Result, again []outgoing) {
	if r.Isolated {
		returned := n.returned()
		n.updateAndTell(func(e *entriesByMu) { e.ownership.Isolated(returned) })
	}
	for _, m := range r.Left {
		n.removeEntries(m)
		n.loseAsks(&m.Origin)
	}
	if r.Rejoined {
		n.loseAsks(nil) // what was published meanwhile may be lost
		n.updateAndTell(func(e *entriesByMu) {
			e.synced = false
			clear(e.named)
			e.ownership.Join()
		})
	}
	for _, m := range r.Joined {
		n.addEntries(m.Origin)
	}
	n.addNamed(r.Named)
	for _, name := range r.Mutual {
		n.addMutual(name)
	}
	for _, name := range r.Unanswered {
		n.updateAndTell(func(e *entriesByMu) { e.giveUpLocked(name) })
	}
	ready := n.isReady()
	n.updateAndTell(func(e *entriesByMu) {
		if !r.Reached.IsZero() {
			e.probing = false
			e.ownership.Reached(r.Reached)
		}
		e.syncLocked(ready)
	})
	for _, s := range r.Send {
		n.send(s.To, s.Message)
	}
	for _, m := range again { // a new member has got its Welcome before
		n.out.put(m)
	}
	if r.Heartbeat {
		n.heartbeat()
	}
}

// send queues a message for a node or, if the name is empty, for every other
// node.
func (n *Node) send(to string, m wire.Message) bool {
	return n.out.put(outgoing{plain: wire.Encode(m), to: to})
}

// Await returns when this node has what it needs to admit clients, or cannot
// reach the cluster. It returns an error if ctx ends before.
func (n *Node) Await(ctx context.Context) error {
	for {
		n.mu.Lock()
		phase, changed := n.phase, n.changed
		n.mu.Unlock()
		if phase == members.Ready || phase == members.Isolated {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
