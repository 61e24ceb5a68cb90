package wire

import "time"

// Hello is published to every node by one that joins, or joins again.
type Hello struct{}

func (*Hello) kind() kind      { return kindHello }
func (*Hello) fields(c *codec) {}

// Challenge asks a node that is not a member to prove that it is there now: a
// message that somebody recorded may have been repeated.
type Challenge struct {
	Value uint64 // random
}

func (*Challenge) kind() kind        { return kindChallenge }
func (m *Challenge) fields(c *codec) { c.fixed64(&m.Value) }

// Answer answers a Challenge.
type Answer struct {
	Value uint64
	Node  NodeInfo
}

func (*Answer) kind() kind { return kindAnswer }
func (m *Answer) fields(c *codec) {
	c.fixed64(&m.Value)
	m.Node.fields(c)
}

// NodeInfo is what a node says of itself.
type NodeInfo struct {
	Advertise string // the address at which others reach its handler; empty: none
	Host      string // the name of its machine
	Version   string // of mojo
}

func (m *NodeInfo) fields(c *codec) {
	c.string(&m.Advertise)
	c.string(&m.Host)
	c.string(&m.Version)
}

// Welcome tells a node that it is a member, as the sender sees it, and which
// others are.
type Welcome struct {
	Incarnation uint32 // of the receiver
	Members     []string
	Ready       bool // the sender has a ledger to give
}

func (*Welcome) kind() kind { return kindWelcome }
func (m *Welcome) fields(c *codec) {
	smallInt(c, &m.Incarnation)
	c.strings(&m.Members)
	c.bool(&m.Ready)
}

// Heartbeat tells that a node is there, what its entries are by now, and whom
// it hears.
type Heartbeat struct {
	Sequence uint64 // of the latest Changes
	Entries  uint64
	Checksum uint64
	Ready    bool      // as in Welcome
	Isolated bool      // the sender does not belong to the cluster now
	Now      time.Time // by the clock of the sender
	// Members are the other members. The list is nil while the sender is not
	// ready.
	Members []Heard
}

// Heard is a member as the sender of a Heartbeat hears it.
type Heard struct {
	Node        string
	Incarnation uint32
	Silence     time.Duration // in which the sender could hear it, and did not
}

func heard(c *codec, h *Heard) {
	c.string(&h.Node)
	smallInt(c, &h.Incarnation)
	silence := int64(h.Silence)
	c.int64(&silence)
	if c.reading {
		h.Silence = time.Duration(silence)
	}
}

func (*Heartbeat) kind() kind { return kindHeartbeat }
func (m *Heartbeat) fields(c *codec) {
	c.uint(&m.Sequence)
	c.uint(&m.Entries)
	c.fixed64(&m.Checksum)
	c.bool(&m.Ready)
	c.bool(&m.Isolated)
	c.time(&m.Now)
	slice(c, &m.Members, 3, heard)
}

// Goodbye tells that a node leaves.
type Goodbye struct{}

func (*Goodbye) kind() kind      { return kindGoodbye }
func (*Goodbye) fields(c *codec) {}

// Probe is what a node sends to itself, to see whether messages arrive.
type Probe struct {
	Sent time.Time
}

func (*Probe) kind() kind        { return kindProbe }
func (m *Probe) fields(c *codec) { c.time(&m.Sent) }

// IsMembership reports whether a message is about who belongs to the cluster.
func IsMembership(m Message) bool { return m.kind() <= kindProbe }
