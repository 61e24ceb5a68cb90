// Package members keeps track of the nodes of a cluster: who is there, who is
// new, who is gone, and whether this node still belongs to it.
//
// It does no I/O and starts nothing: package cluster passes it the messages
// that arrive and the time, and sends what it returns. It is not safe for
// concurrent use.
//
// # Joining
//
// A node publishes Hello until it is ready. Each member that hears of a node it
// does not know sends it a Challenge, and makes it a member when the Answer
// comes: a message that somebody has recorded and repeats makes no member. Then
// it sends Welcome, with the names of its members. The new node does the same
// the other way round. When every node that it has heard of has welcomed it, it
// gets from each of them what they send to all. So it asks them for their
// ledgers, which are complete together with what the others send from then on.
// A node that joins again answers, too, with what it knows.
//
//	Joining --- welcomed by all ---> Fetching --- ledger ---> Ready
//	  |   '------ nobody is there, or nobody is ready --------'  |
//	  |                                                          |
//	  '------------------> Isolated <---- own messages do not ---'
//	  ^                       |           come back
//	  '---- they come back ---'
//
// A node that is ready asks for the ledger of another one, too, if that was
// ready before it came: the two may have applied commands while they did not
// hear each other.
//
// # Isolation
//
// The others drop a node that they have not heard for DeadAfter. A node finds
// out in two ways, and counts itself as isolated after IsolatedAfter, which is
// shorter. When it is over it joins again, as another incarnation: the others
// may have dropped it, and it may have missed what they published.
//
//   - It sends messages to itself, and none has come back.
//   - Heartbeats of the others arrive, and say that they do not hear it. Then it
//     stays isolated until they do, or until they are silent.
//
// A node counts only the time as another's silence in which its own messages
// have come back: a node that hears nothing must not make the others isolate
// themselves, and does not know who is dead.
package members

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
)

// The times. Tick should be called at least four times within a Period.
const (
	Period        = time.Second     // between heartbeats, and between probes
	IsolatedAfter = 4 * time.Second // without a probe that came back
	DeadAfter     = 5 * time.Second // without a message
	stuckAfter    = 8 * time.Second // of joining, while another node does not hear this one
	alone         = time.Second     // a node that nobody has answered for so long is alone
	repeat        = Period / 2      // of Hello, and of a Challenge
	ledgerTime    = 2 * time.Second // for the answer to a LedgerQuery
)

// maxCandidates bounds the nodes that are known and no members. Messages that
// somebody repeats can name any node that there ever was.
const maxCandidates = 256

// Phase is how far a node belongs to the cluster.
type Phase uint8

// The phases, see the package documentation.
const (
	Joining Phase = iota
	Fetching
	Ready
	Isolated
)

func (p Phase) String() string {
	return [...]string{"joining", "fetching the ledger", "ready", "isolated"}[p]
}

// Members is the state of one node. New makes it.
type Members struct {
	self seal.Origin
	info wire.NodeInfo
	now  func() time.Time

	phase      Phase
	since      time.Time // when the phase began
	members    map[string]*peer
	candidates map[string]*peer
	named      map[string]time.Time // nodes that a Welcome has named, and when
	awaited    map[string]bool      // nodes that were reported as Named

	number    uint64      // of the latest probe that came back
	sent      time.Time   // when the latest probe was sent
	probes    []time.Time // when those were sent that have not come back
	returned  time.Time   // when the latest probe was sent that came back; at first, when the node began
	connected bool        // a probe has come back in this incarnation
	beat      time.Time   // when the latest Heartbeat was sent
	hello     time.Time   // when the latest Hello was sent
	hasLedger bool        // the node was ready once

	dropped uint64
}

// peer is another node.
type peer struct {
	Member
	number     uint64 // of its latest message
	challenge  uint64 // 0: it was not challenged yet
	challenged time.Time
	admitted   time.Time     // when it became a member of this incarnation
	silentFrom time.Time     // Heard, or later by the time in which this node heard nothing
	welcomed   bool          // it has made this incarnation a member
	ready      bool          // it was ready once, so it has a ledger to give
	isolated   bool          // as its latest Heartbeat said
	offset     time.Duration // of its clock from that of this node

	// What its ledger had when it made this incarnation a member was merged, or
	// it had none.
	merged bool
	asked  time.Time // for the ledger; zero: it was not asked
	part   int       // of its Ledger that comes next

	// How long it had not heard this node, as it has said at a time.
	unheard   time.Duration
	unheardAt time.Time
}

// New returns the state of a node that begins to join.
func New(self seal.Origin, info wire.NodeInfo, now func() time.Time) *Members {
	t := now()
	return &Members{
		self: self, info: info, now: now, since: t, returned: t,
		members: make(map[string]*peer), candidates: make(map[string]*peer), named: make(map[string]time.Time), awaited: make(map[string]bool),
	}
}

// Self is the node itself.
func (m *Members) Self() seal.Origin { return m.self }

// Phase is how far the node belongs to the cluster.
func (m *Members) Phase() Phase { return m.phase }

// Returned is when the latest probe was sent that came back or, if none has,
// when the node began.
func (m *Members) Returned() time.Time { return m.returned }

// Dropped counts messages that were sent again, or by an incarnation that is
// gone.
func (m *Members) Dropped() uint64 { return m.dropped }

// All returns the members other than the node itself, by name.
func (m *Members) All() []Member {
	all := make([]Member, 0, len(m.members))
	for _, name := range slices.Sorted(maps.Keys(m.members)) {
		all = append(all, m.members[name].Member)
	}
	return all
}

// Len is the number of members other than the node itself.
func (m *Members) Len() int { return len(m.members) }

// Advertised returns the address of the member whose name has a prefix, empty if
// there is none.
func (m *Members) Advertised(prefix string) string {
	for name, p := range m.members {
		if strings.HasPrefix(name, prefix) {
			return p.Advertise
		}
	}
	return ""
}

// Has reports whether a node is a member other than the node itself.
func (m *Members) Has(name string) bool { return m.members[name] != nil }

func (m *Members) enter(p Phase) { m.phase, m.since = p, m.now() }

// Receive takes a message that was opened.
func (m *Members) Receive(from seal.Origin, number uint64, message wire.Message) (r Result) {
	if from.Node == m.self.Node {
		if probe, ok := message.(*wire.Probe); ok && from == m.self && number > m.number {
			m.number = number
			r.Reached = probe.Sent
			m.probeReturned(probe.Sent, &r)
		}
		return r
	}
	p, member := m.members[from.Node], true
	switch {
	case p != nil && from.Incarnation < p.Incarnation:
		m.dropped++
		return r
	case p == nil || from.Incarnation > p.Incarnation:
		p, member = m.candidate(from), false
	}
	if p == nil || number <= p.number {
		m.dropped++
		return r
	}
	p.number, p.Heard = number, m.now()
	p.silentFrom = p.Heard
	if member {
		r.Accepted, r.Current = true, p.merged
		m.receiveFromMember(p, message, &r)
	} else {
		m.receiveFromCandidate(p, message, &r)
	}
	if !wire.IsMembership(message) {
		return r
	}
	m.isolateUnheard(&r)
	m.comeBack(&r)
	m.proceed(&r)
	return r
}

// candidate returns a node that is no member, or no member under this
// incarnation. It returns nil for an incarnation that is gone.
func (m *Members) candidate(from seal.Origin) *peer {
	c := m.candidates[from.Node]
	switch {
	case c != nil && c.Incarnation == from.Incarnation:
		return c
	case c != nil && c.Incarnation > from.Incarnation, c == nil && len(m.candidates) >= maxCandidates:
		return nil
	}
	if p := m.members[from.Node]; p != nil {
		p.unheard = 0 // it has joined again
	}
	c = &peer{Member: Member{Origin: from}}
	m.candidates[from.Node] = c
	return c
}

func (m *Members) receiveFromCandidate(c *peer, message wire.Message, r *Result) {
	switch message := message.(type) {
	case *wire.Challenge:
		m.answer(c, message, r)
	case *wire.Welcome:
		m.welcomedBy(c, message, r)
	case *wire.Heartbeat:
		c.isolated = message.Isolated
	case *wire.Answer:
		if c.challenge != 0 && message.Value == c.challenge {
			c.NodeInfo = message.Node
			m.admit(c, r)
			return
		}
	}
	if m.phase == Isolated {
		return // to be challenged means to have been dropped, and this node does not know
	}
	if now := m.now(); now.Sub(c.challenged) >= repeat {
		if c.challenge == 0 {
			c.challenge = rand.Uint64() | 1
		}
		c.challenged = now
		r.send(c.Node, &wire.Challenge{Value: c.challenge})
	}
}

func (m *Members) receiveFromMember(p *peer, message wire.Message, r *Result) {
	switch message := message.(type) {
	case *wire.Challenge:
		m.answer(p, message, r)
		if p.welcomed && m.phase != Isolated { // it has dropped this node since then
			m.rejoin(r)
		}
	case *wire.Welcome:
		m.welcomedBy(p, message, r)
	case *wire.Hello: // the Welcome may have been lost
		r.send(p.Node, m.welcome(p))
	case *wire.Heartbeat:
		p.ready, p.isolated = message.Ready, message.Isolated
		p.offset = message.Now.Sub(m.now())
		m.heardBy(p, message, r)
	case *wire.Goodbye:
		m.remove(p, true, r)
	}
}

func (m *Members) answer(p *peer, c *wire.Challenge, r *Result) {
	p.unheard = 0
	r.send(p.Node, &wire.Answer{Value: c.Value, Node: m.info})
}

func (m *Members) welcome(p *peer) *wire.Welcome {
	return &wire.Welcome{
		Incarnation: p.Incarnation, Ready: m.hasLedger,
		Members: slices.Sorted(maps.Keys(m.members)),
	}
}

func (m *Members) welcomedBy(p *peer, w *wire.Welcome, r *Result) {
	if w.Incarnation != m.self.Incarnation {
		return
	}
	if !p.welcomed && m.members[p.Node] == p {
		m.mutual(p, r)
	}
	if !p.welcomed {
		p.merged = !w.Ready
	}
	p.welcomed, p.ready, p.unheard = true, w.Ready, 0
	for _, name := range w.Members {
		if _, known := m.named[name]; !known && name != m.self.Node {
			m.named[name] = m.now()
			if !m.Has(name) && m.phase == Joining {
				m.awaited[name] = true
				r.Named = append(r.Named, name)
			}
		}
	}
}

// admit makes a candidate a member.
func (m *Members) admit(c *peer, r *Result) {
	delete(m.candidates, c.Node)
	if before := m.members[c.Node]; before != nil {
		m.remove(before, false, r)
	}
	m.members[c.Node] = c
	c.admitted = m.now()
	r.Joined = append(r.Joined, c.Member)
	if c.welcomed {
		m.mutual(c, r)
	}
	r.send(c.Node, m.welcome(c))
}

// mutual is called when each of two nodes has made the other a member.
func (m *Members) mutual(p *peer, r *Result) {
	delete(m.awaited, p.Node)
	r.Mutual = append(r.Mutual, p.Node)
}

func (m *Members) remove(p *peer, goodbye bool, r *Result) {
	delete(m.members, p.Node)
	delete(m.named, p.Node)
	r.Left = append(r.Left, Left{p.Member, goodbye})
}

// Tick is called again and again.
func (m *Members) Tick() (r Result) {
	now := m.now()
	if m.phase != Isolated && now.Sub(m.returned) > IsolatedAfter {
		m.isolate(&r)
	}
	m.isolateUnheard(&r)
	m.isolateStuck(&r)
	m.removeSilent(&r)
	m.giveUpNamed(&r)
	for name, c := range m.candidates {
		if now.Sub(c.Heard) > DeadAfter {
			delete(m.candidates, name)
		}
	}
	m.comeBack(&r)
	m.proceed(&r)
	if now.Sub(m.beat) >= Period {
		m.beat, r.Heartbeat = now, true
		m.probe(&r)
	}
	if m.phase == Joining && now.Sub(m.hello) >= repeat {
		m.hello = now
		r.send("", &wire.Hello{})
	}
	return r
}

// Leave returns what is to be sent by a node that leaves.
func (m *Members) Leave() (r Result) {
	r.send("", &wire.Goodbye{})
	return r
}
