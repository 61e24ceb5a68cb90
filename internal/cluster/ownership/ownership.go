// Package ownership decides which node of a cluster tells the application that
// a session or user comes online or goes offline.
//
// Every node has a copy of the whole directory and finds the same transitions
// in it, a little earlier or later than the others. Only the owner of a key
// tells the application of them. Rendezvous hashing over the members gives the
// owner of each key.
//
// An owner knows for each of its keys what the application was told last, and
// tells the difference to the presence in its own copy. So online and offline
// alternate while one node owns the key. When the owner changes, what was told
// last must move as well:
//
//   - A node that joins receives what the previous owners told, and tells
//     nothing before. A node that leaves sends what it told to the next owners,
//     and tells nothing from then on. See Handover.
//   - When a node dies, the next owners assume that it told what their own
//     copies say. It may not have told the transitions of its last seconds. The
//     next owners know those of all keys, and tell the latest one of each
//     again. So every transition is told at least once.
//   - A node that is isolated tells nothing. It takes over from all others as
//     if they had died. This counts only if all nodes were isolated, for
//     instance because the broker restarted: if it joins a node that was not,
//     it receives what was told meanwhile. Because a node does not notice at
//     once that it is isolated, it tells nothing that is newer than its latest
//     message to itself. See Ownership.Reached.
//
// A transition is told twice only if the owner died, or could not hand over, and
// more often only if nodes join or leave while the others notice that: a node
// that joins cannot know whether the dead one had told. It is told late while a
// node joins or leaves. It may be lost if all nodes that
// knew of it fail, or if several nodes fail and join within seconds.
//
// The copies of two nodes differ while changes are under way, and the next
// owner may be behind the previous one. So, after a handover, the next owner
// waits for settleTime before it compares.
//
// The package does no I/O and starts nothing. The caller calls Ownership when
// something happens, and then sends the messages of NextHandover, tells what
// Next returns, and calls Expire at the time of Deadline.
package ownership

import (
	"iter"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/fifo"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

const (
	// handoverTimeout is the time that a node waits for the handovers of the
	// others. It is longer than the time after which a silent node is dead.
	handoverTimeout = 7 * time.Second

	// settleTime is longer than a change needs to arrive at all nodes.
	settleTime = time.Second

	// lag bounds the time from a transition in the copy of one node until
	// another node has told it, if none of them waits for a handover.
	lag = 2 * time.Second

	// unnoticedIsolation is the time after which a node notices that it is
	// isolated. Until then the others may receive its messages while it receives
	// none and so tells nothing.
	unnoticedIsolation = 4 * time.Second
)

// Config is what an Ownership needs to know. All fields must be set. The
// functions are called by the methods of Ownership.
type Config struct {
	Self string // the name of the node
	Now  func() time.Time

	// Watched reports whether the application is told about a namespace; "":
	// the whole server. It must be the same on all nodes.
	Watched func(namespace string) bool

	// Online reports whether a key is present or in its grace period, by the
	// node's own copy of the directory.
	Online func(presence.Key) bool

	// Keys are all keys for which Online reports true.
	Keys iter.Seq[presence.Key]
}

// Ownership is the state of one node. It is not safe for concurrent use.
type Ownership struct {
	Config

	phase   phase
	members view // with the node itself, unless it leaves
	keys    map[presence.Key]state
	recent  recent

	pending map[presence.Key]pending // transitions to tell, of keys that the node owns
	queue   fifo.Queue[presence.Key] // the order of pending; keys that are not pending are skipped
	reached time.Time                // see Reached
	telling presence.Key             // zero: none; its state is that after the telling

	toldHere map[presence.Key]time.Time // keys that this node owns and has told lately
	lately   fifo.Queue[transition]     // of toldHere

	outgoing map[string]*outgoing // by the name of a member
	incoming map[string]*incoming

	// Of a node that joins.
	synced          bool
	syncedAt        time.Time
	joinedAt        time.Time
	received        bool                   // a handover came from a node that does not join
	beforeIsolation map[presence.Key]state // nil if the node was not isolated

	// Of a member. It tells nothing while it waits for any of them.
	joiners   map[string]bool   // that join at the same time
	leavers   map[string]leaver // that are handing over
	settledAt time.Time         // zero: it is settled

	// The members told nothing for a part of this time, because others left.
	pausedFrom, pausedUntil time.Time

	released []release // to send to nodes that leave

	died map[string]death // nodes that have died lately, by name

	// Of a node that leaves.
	leavingAt   time.Time
	unreleased  map[string]bool // nodes that may still send keys
	leavingFrom []string        // the members at that time
}

// release is a Handover that says Released.
type release struct {
	to   string
	part int
}

type phase uint8

const (
	apart   phase = iota // before Join, and while isolated
	joining              // waits for the handovers of members
	member
	leaving
)

// state is what the application was told about a key. If a key has no state,
// it was told that the key is offline, or nothing.
type state uint8

const (
	online state = iota + 1
	unsure       // it may not have been told the latest transition
)

// pending is one transition to tell, or two: first and its opposite.
type pending struct {
	first bool
	two   bool
	at    time.Time // when it became pending
}

// last returns the presence after the transitions.
func (p pending) last() bool { return p.first != p.two }

// leaver is a member that is leaving.
type leaver struct {
	node
	before view // the members with it
	since  time.Time
}

// New returns the state of a node that has not joined yet.
func New(c Config) *Ownership {
	o := &Ownership{Config: c}
	o.reset()
	return o
}

// reset forgets everything except what was told before an isolation.
func (o *Ownership) reset() {
	*o = Ownership{
		Config:          o.Config,
		telling:         o.telling,
		beforeIsolation: o.beforeIsolation,
		keys:            make(map[presence.Key]state),
		pending:         make(map[presence.Key]pending),
		outgoing:        make(map[string]*outgoing),
		incoming:        make(map[string]*incoming),
		joiners:         make(map[string]bool),
		leavers:         make(map[string]leaver),
		toldHere:        make(map[presence.Key]time.Time),
		died:            make(map[string]death),
	}
}

// concerns reports whether the application is told about a key.
func (o *Ownership) concerns(k presence.Key) bool {
	return (k.Kind == command.Session || k.Kind == command.User) && k.ID != "" && o.Watched(k.Namespace)
}

// owns reports whether the node owns a key.
func (o *Ownership) owns(k presence.Key) bool { return o.Owner(k) == o.Self }

// Owner returns the name of the owner of a key among the members. It is empty
// before Join and while the node is isolated.
func (o *Ownership) Owner(k presence.Key) string { return o.members.owner(hash(k)) }
