package cluster

import (
	"context"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
)

// Notify sends a notification to the other nodes. It returns ErrDown if none of
// them gets it.
func (n *Node) Notify(data []byte) error {
	messages := []outgoing{{plain: wire.Encode(&wire.Notify{JSON: data})}}
	if asker, ok := n.link.(cluster.Asker); ok {
		messages = append(messages, outgoing{askSize: len(data), ask: func(lost error) {
			if lost == nil {
				asker.ServerSideEmit(context.Background(), notifyNamespace, data, nil)
			}
		}})
	}
	return n.publish(messages...)
}

// notifyNamespace is the namespace of notifications of servers of another kind.
const notifyNamespace = "/"

// NotifyWithAck is Notify for a notification that each node answers, and adds
// their parts to the answers. It does not wait. If it cannot reach the others,
// the answers say so.
func (n *Node) NotifyWithAck(data []byte, c *answers.Collection) {
	id, parts := n.beginAsk(c, func(string) bool { return true })
	for name, p := range parts {
		p.Ask(1, func(int) answers.From { return answers.From{Node: name} })
		p.Told()
	}
	n.publishAsk(c, parts, []outgoing{{plain: wire.Encode(&wire.Notify{ID: id, JSON: data})}})
	n.askForeign(c, outgoing{plain: data}, func(ctx context.Context, asker cluster.Asker, r cluster.Replies) {
		asker.ServerSideEmit(ctx, notifyNamespace, data, r)
	})
}

// notified passes on a notification of another node.
func (n *Node) notified(from seal.Origin, m *wire.Notify) {
	if m.ID == 0 {
		n.config.Local.Notified(m.JSON, nil)
		return
	}
	n.config.Local.Notified(m.JSON, func(a answers.Answer) {
		ack := wire.Ack{Outcome: uint8(a.Outcome), JSON: a.Payload.JSON}
		if sizeOf(&ack) > maxAnswer {
			ack.Outcome, ack.JSON = uint8(answers.TooLarge), nil
		}
		n.send(from.Node, &wire.Acks{ID: m.ID, Acks: []wire.Ack{ack}})
	})
}
