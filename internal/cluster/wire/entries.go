package wire

import (
	"github.com/mojosocket/mojo/internal/cluster/directory"
	"github.com/mojosocket/mojo/internal/cluster/ownership"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

func entry(c *codec, e *directory.Entry) {
	key(c, &e.Key)
	c.string(&e.Namespace)
	smallInt(c, &e.Count)
}

func entries(c *codec, v *[]directory.Entry) { slice(c, v, 4, entry) }

// Changes are the entries of the sender that are other than before.
type Changes struct {
	Sequence uint64 // counts the Changes of the sender's incarnation
	Entries  []directory.Entry
}

func (*Changes) kind() kind { return kindChanges }
func (m *Changes) fields(c *codec) {
	c.uint(&m.Sequence)
	entries(c, &m.Entries)
}

// WholeQuery asks a node for all its entries.
type WholeQuery struct{}

func (*WholeQuery) kind() kind      { return kindWholeQuery }
func (*WholeQuery) fields(c *codec) {}

// Shards is a part of the answer to a WholeQuery: all entries of the sender in
// some shards of the directory. Changes that are published later follow them.
type Shards struct {
	From, To int // the shards from From to To-1
	Entries  []directory.Entry
}

func (*Shards) kind() kind { return kindShards }
func (m *Shards) fields(c *codec) {
	smallInt(c, &m.From)
	smallInt(c, &m.To)
	if m.From > m.To || m.To > directory.Shards {
		c.fail()
	}
	entries(c, &m.Entries)
}

// Handover is ownership.Handover.
type Handover struct {
	Incarnation uint32 // of the receiver
	ownership.Handover
}

func (*Handover) kind() kind { return kindHandover }
func (m *Handover) fields(c *codec) {
	smallInt(c, &m.Incarnation)
	smallInt(c, &m.Part)
	slice(c, &m.Online, 3, presenceKey)
	slice(c, &m.Unsure, 3, presenceKey)
	for _, flag := range []*bool{&m.Joining, &m.Returning, &m.Leaving, &m.Released, &m.Last} {
		c.bool(flag)
	}
	c.strings(&m.Members)
	c.strings(&m.Dead)
}

func presenceKey(c *codec, v *presence.Key) {
	c.string(&v.Namespace)
	key(c, &v.Key)
}
