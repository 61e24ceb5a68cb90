package cluster

import (
	"context"
	"slices"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/parser"
)

// Questions travel on the control plane of the Bus: the answers carry identities,
// which belong under the seal, and who is waited for follows from the members.
//
// A node that is asked says at once which of its connections it has asked
// (Asked), so that the number of outstanding answers is known and those that
// are missing have names. Then it sends the answers (Acks), several together. A node
// that leaves the cluster takes its outstanding answers with it. Nothing is
// repeated: like an event, a question that is lost is lost.

// asks are the questions of this node whose answers it waits for. Node.mu guards
// it.
type asks struct {
	byID map[uint64]map[string]askPart // the parts by the names of nodes
	next uint64
}

// askPart is the part of one node in the answers to a question.
type askPart struct {
	*answers.Part
	origin seal.Origin
}

// Ask sends an event to the connections of other nodes, and adds their parts to
// the answers. It does not wait. If it cannot reach the others, the answers say
// so.
func (n *Node) Ask(cmd *command.Emit, c *answers.Collection) {
	names, all := n.nodesOf(&cmd.Selector)
	id, parts := n.beginAsk(c, func(name string) bool { return all || slices.Contains(names, name) })
	encoded := wire.Encode(&wire.Ask{ID: id, Timeout: uint64(max(c.Remaining().Milliseconds(), 0)), Emit: *cmd})
	var messages []outgoing
	if all {
		messages = append(messages, outgoing{plain: encoded})
	} else {
		for name := range parts {
			messages = append(messages, outgoing{plain: encoded, to: name})
		}
	}
	n.publishAsk(c, parts, messages)
	if e := eventOf(cmd); e != nil {
		n.askForeign(c, outgoing{event: e}, func(ctx context.Context, asker cluster.Asker, r cluster.Replies) {
			asker.EmitWithAck(ctx, e, c.Remaining(), r)
		})
	}
}

// beginAsk adds a part for each member that want accepts.
func (n *Node) beginAsk(c *answers.Collection, want func(name string) bool) (id uint64, parts map[string]askPart) {
	parts = make(map[string]askPart)
	n.mu.Lock()
	n.asks.next++
	id = n.asks.next
	for _, m := range n.members.All() {
		if want(m.Node) {
			parts[m.Node] = askPart{c.AddPart(), m.Origin}
		}
	}
	n.asks.byID[id] = parts
	n.mu.Unlock()
	c.OnEnd(func() { n.endAsk(id) })
	return id, parts
}

// publishAsk publishes a question. If it cannot, its parts are lost.
func (n *Node) publishAsk(c *answers.Collection, parts map[string]askPart, messages []outgoing) {
	if n.publish(messages...) == nil {
		return
	}
	c.Unreached()
	for _, p := range parts {
		p.Lose()
	}
}

// endAsk forgets a question, and tells the nodes that still wait for answers.
func (n *Node) endAsk(id uint64) {
	n.mu.Lock()
	parts := n.asks.byID[id]
	delete(n.asks.byID, id)
	n.mu.Unlock()
	for name, p := range parts {
		if p.Open() {
			n.send(name, &wire.EndAsk{ID: id})
		}
	}
}

// askPart returns the part of a node in the answers to a question, if it is
// waited for.
func (n *Node) askPart(from seal.Origin, id uint64) (p askPart, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, ok = n.asks.byID[id][from.Node]
	return p, ok && p.origin == from
}

// asked notes whom another node has asked.
func (n *Node) asked(from seal.Origin, m *wire.Asked) {
	p, ok := n.askPart(from, m.ID)
	if !ok {
		return
	}
	p.Ask(len(m.Conns), func(i int) answers.From {
		return answers.From{Node: from.Node, ID: m.Conns[i].ID, Identity: m.Conns[i].Identity}
	})
	if m.Last {
		p.Told()
	}
}

// answered notes answers of another node.
func (n *Node) answered(from seal.Origin, m *wire.Acks) {
	p, ok := n.askPart(from, m.ID)
	if !ok {
		return
	}
	for i := range m.Acks {
		a := &m.Acks[i]
		p.AnswerAs(int(a.Number), answers.Answer{
			Outcome: answers.Outcome(a.Outcome), Payload: parser.Payload{JSON: a.JSON, Attachments: a.Attachments},
		}, a.Identity)
	}
}

// loseAsks ends the parts of a node that has left in all answers and, as nobody
// waits for what it has asked, its questions here. Without an origin it does so
// for all nodes.
func (n *Node) loseAsks(origin *seal.Origin) {
	var lost []askPart
	var unwanted []*serving
	n.mu.Lock()
	for _, parts := range n.asks.byID {
		for _, p := range parts {
			if origin == nil || p.origin == *origin {
				lost = append(lost, p)
			}
		}
	}
	for id, s := range n.serving {
		if origin == nil || id.origin == *origin {
			unwanted = append(unwanted, s)
		}
	}
	n.mu.Unlock()
	for _, p := range lost {
		p.Lose()
	}
	for _, s := range unwanted {
		s.end()
	}
}
