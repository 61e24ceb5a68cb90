package cluster

import (
	"bytes"
	"context"
	"slices"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/cluster/directory"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/command"
)

// Directory is who is connected to the nodes of the cluster, this one among
// them.
func (n *Node) Directory() *directory.Directory { return n.dir }

// Emit sends an event to the other nodes that may have receivers for it. It
// returns ErrDown if none of them gets it.
func (n *Node) Emit(cmd *command.Emit) error {
	if e := eventOf(cmd); e != nil {
		return n.publish(outgoing{event: e})
	}
	return n.publish(n.toReceivers(&cmd.Selector, &wire.Emit{Emit: *cmd})...)
}

// eventOf returns a command as an event of the Bus, nil if it is none: servers of
// another kind know neither sessions nor users.
func eventOf(cmd *command.Emit) *cluster.Event {
	address, is := addressOf(&cmd.Selector)
	if !is {
		return nil
	}
	attachments := slices.Clone(cmd.Attachments)
	for i := range attachments {
		attachments[i] = bytes.Clone(attachments[i]) // which the caller may change
	}
	return &cluster.Event{
		Address: address, Data: cmd.JSON, Attachments: attachments,
		Volatile: cmd.Delivery.Volatile, Latest: cmd.Delivery.Latest, Key: cmd.Delivery.Key,
	}
}

// publish queues messages. While this node is isolated, others may get them.
func (n *Node) publish(messages ...outgoing) error {
	if len(messages) > 0 && !n.out.putEvent(messages...) || n.Isolated() {
		return ErrDown
	}
	return nil
}

// toReceivers returns a message for the nodes on which a selector may select
// seats. The message is encoded once.
func (n *Node) toReceivers(sel *command.Selector, m wire.Message) []outgoing {
	names, all := n.nodesOf(sel)
	if all {
		return []outgoing{{plain: wire.Encode(m)}}
	}
	var messages []outgoing
	var encoded []byte
	for _, name := range names {
		if name == n.name {
			continue
		}
		if encoded == nil {
			encoded = wire.Encode(m)
		}
		messages = append(messages, outgoing{plain: encoded, to: name})
	}
	return messages
}

// nodesOf returns the nodes on which a selector may select seats, or that these
// are all.
func (n *Node) nodesOf(sel *command.Selector) (names []string, all bool) {
	if !sel.IsPersonal() || len(sel.Keys) == 0 || slices.ContainsFunc(sel.Keys, isRoom) {
		return nil, true
	}
	return n.dir.NodesOf(make([]string, 0, 8), sel.Namespace, sel.Keys), false
}

func isRoom(k command.Key) bool { return k.Kind == command.Room }

// addressOf returns a selector as an address of the Bus, if it is one: rooms of
// one namespace.
func addressOf(sel *command.Selector) (a cluster.Address, is bool) {
	if sel.Namespace == "" || sel.Requires != command.Room || sel.Keys != nil && len(sel.Keys) == 0 ||
		!allRooms(sel.Keys) || !allRooms(sel.Except) {
		return a, false
	}
	a.Namespace = sel.Namespace
	for _, k := range sel.Keys {
		a.Rooms = append(a.Rooms, k.ID)
	}
	for _, k := range sel.Except {
		a.Except = append(a.Except, k.ID)
	}
	a.Except = append(a.Except, sel.ExceptIDs...)
	a.IDs = len(sel.IDs) > 0 // package mojo has them among the rooms, too
	return a, true
}

func allRooms(keys []command.Key) bool {
	return !slices.ContainsFunc(keys, func(k command.Key) bool { return k.Kind != command.Room })
}

// Join sends the command to the other nodes.
func (n *Node) Join(cmd *command.Join) error {
	if address, is := addressOf(&cmd.Selector); is {
		return n.publish(outgoing{command: &cluster.Command{Address: address, Verb: cluster.Join, Names: cmd.Rooms}})
	}
	return n.publish(n.toReceivers(&cmd.Selector, &wire.Join{Join: *cmd})...)
}

// Leave sends the command to the other nodes.
func (n *Node) Leave(cmd *command.Leave) error {
	if address, is := addressOf(&cmd.Selector); is {
		return n.publish(outgoing{command: &cluster.Command{Address: address, Verb: cluster.Leave, Names: cmd.Rooms}})
	}
	return n.publish(n.toReceivers(&cmd.Selector, &wire.Leave{Leave: *cmd})...)
}

// Disconnect sends the command to the other nodes.
func (n *Node) Disconnect(cmd *command.Disconnect) error {
	if address, is := addressOf(&cmd.Selector); is {
		return n.publish(outgoing{command: &cluster.Command{Address: address, Verb: cluster.Disconnect}})
	}
	return n.publish(n.toReceivers(&cmd.Selector, &wire.Disconnect{Disconnect: *cmd})...)
}

// Extend sends the command to the nodes that have the session.
func (n *Node) Extend(cmd *command.Extend) {
	sel := command.Selector{Keys: []command.Key{{Kind: command.Session, ID: cmd.To.Session}}}
	_ = n.publish(n.toReceivers(&sel, &wire.Extend{Extend: *cmd})...) // without it, the connections end when the earlier cookies expire
}

// Rebind sends the command to all nodes and waits until they have confirmed it.
func (n *Node) Rebind(ctx context.Context, cmd *command.Rebind) error {
	_, err := n.call(ctx, func(id uint64) wire.Message { return &wire.Rebind{ID: id, Rebind: *cmd} })
	return err
}

// Revoke sends the command to all nodes and waits until they have confirmed it.
// The sessions are those that it revoked on this node. The sessions that it
// revoked on any node are revoked on all, also after an error.
func (n *Node) Revoke(ctx context.Context, cmd *command.Revoke, why *wire.Reason, sessions []string) error {
	c := n.begin(func(id uint64) wire.Message { return &wire.Revoke{ID: id, Revoke: *cmd, Why: *why} })
	confirmed, err := n.await(ctx, c)
	if !cmd.Invalidate {
		return err
	}
	var calls []*call
	revoke := func(sessions []string) {
		session := wire.Revoke{Revoke: *cmd, Why: *why}
		for _, id := range sessions {
			session.Key = command.Key{Kind: command.Session, ID: id}
			if session.Key == cmd.Key {
				continue
			}
			n.config.Local.Revoke(&session.Revoke, why)
			calls = append(calls, n.begin(func(id uint64) wire.Message { session.ID = id; return &session }))
		}
	}
	revoke(slices.Compact(slices.Sorted(slices.Values(append(sessions, confirmed...)))))
	if err != nil {
		go func() {
			select {
			case <-c.done:
				revoke(c.sessions[len(confirmed):])
			case <-n.ended:
			}
		}()
		return err
	}
	for _, c := range calls {
		if _, err := n.await(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// RevokeIdentity sends the command to all nodes and does not wait.
func (n *Node) RevokeIdentity(cmd *command.RevokeIdentity, why *wire.Reason) {
	n.begin(func(id uint64) wire.Message { return &wire.RevokeIdentity{ID: id, RevokeIdentity: *cmd, Why: *why} })
}
