package cluster

import (
	"slices"
	"strings"
	"time"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/cluster/members"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/cluster/wire"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

// receiver is the Node as its Bus sees it.
type receiver struct{ *Node }

// Link implements cluster.Node.
func (n receiver) Link(state cluster.LinkState) {
	n.out.setDown(state == cluster.LinkDown)
	if state == cluster.LinkDown {
		n.config.Log.Warn("mojo: the broker of the cluster cannot be reached", "node", n.name)
	} else {
		n.config.Log.Info("mojo: the broker of the cluster can be reached", "node", n.name, "messagesLost", state == cluster.LinkResumed)
	}
}

// Occupied implements cluster.Node.
func (n receiver) Occupied(namespace, room string) bool {
	return n.config.Local.Occupied(namespace, keyOf(room))
}

// Event implements cluster.Node.
func (n receiver) Event(e *cluster.Event) {
	cmd := &command.Emit{
		Selector: selector(&e.Address), JSON: e.Data, Attachments: e.Attachments,
		Delivery: command.Delivery{Volatile: e.Volatile, Latest: e.Latest, Key: e.Key},
	}
	if cmd.IsPersonal() && !n.isCurrent() {
		n.counts.stale.Add(1)
		return
	}
	n.config.Local.Emit(cmd)
}

// Command implements cluster.Node.
func (n receiver) Command(c *cluster.Command) {
	sel := selector(&c.Address)
	if sel.IsPersonal() && !n.isCurrent() {
		n.counts.stale.Add(1)
		return
	}
	names := c.Names
	switch c.Verb {
	case cluster.Join:
		n.config.Local.Join(&command.Join{Selector: sel, Rooms: names})
	case cluster.Leave:
		n.config.Local.Leave(&command.Leave{Selector: sel, Rooms: names})
	case cluster.Disconnect:
		n.config.Local.Disconnect(&command.Disconnect{Selector: sel}, c.Close)
	default:
		n.counts.unknown.Add(1)
	}
}

// The rooms of people, see cluster.Address.
const (
	userRoom    = command.ReservedRooms + "u:"
	sessionRoom = command.ReservedRooms + "s:"
)

// selector returns an address of the Bus as that of the hub.
func selector(a *cluster.Address) command.Selector {
	sel := command.Selector{Namespace: a.Namespace}
	for _, room := range a.Rooms {
		sel.Keys = append(sel.Keys, keyOf(room))
	}
	for _, room := range a.Except {
		sel.Except = append(sel.Except, keyOf(room))
	}
	sel.ExceptIDs = a.Except
	if a.IDs {
		sel.IDs = a.Rooms
	}
	return sel
}

// keyOf returns the key that a room of the Bus stands for.
func keyOf(room string) command.Key {
	if id, is := strings.CutPrefix(room, userRoom); is {
		return command.Key{Kind: command.User, ID: id}
	}
	if id, is := strings.CutPrefix(room, sessionRoom); is {
		return command.Key{Kind: command.Session, ID: id}
	}
	return command.Key{Kind: command.Room, ID: room}
}

// RoomOf returns the room of the Bus that a key stands for.
func RoomOf(k command.Key) string {
	switch k.Kind {
	case command.User:
		return userRoom + k.ID
	case command.Session:
		return sessionRoom + k.ID
	}
	return k.ID
}

// isCurrent reports whether this node has applied what the others have told it
// about people: it is no longer, or not yet again, isolated.
func (n *Node) isCurrent() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.members.Phase() == members.Ready && time.Since(n.members.Returned()) < members.IsolatedAfter
}

// Control implements cluster.Node.
func (n receiver) Control(sealed []byte) {
	opened, err := n.opener.Open(sealed)
	if err != nil || opened.To != "" && opened.To != n.name {
		n.counts.forged.Add(1)
		return
	}
	m, err := wire.Decode(opened.Message)
	if err != nil {
		n.counts.unknown.Add(1)
		return
	}
	r := n.change(func() members.Result { return n.members.Receive(opened.Origin, opened.Number, m) })
	if r.Accepted {
		n.dispatch(opened.Origin, m, r.Current)
	}
}

// dispatch acts on a message of a member. current says that this node knows what
// the member had applied before.
func (n *Node) dispatch(from seal.Origin, m wire.Message, current bool) {
	local := n.config.Local
	switch m := m.(type) {
	case *wire.Confirm:
		n.mu.Lock()
		n.pending.confirmLocked(from.Node, m)
		n.mu.Unlock()
	case *wire.Heartbeat:
		n.compare(from.Node, m)
	case *wire.Changes:
		n.applyChanges(from.Node, m)
	case *wire.WholeQuery:
		n.sendWhole(from.Node)
	case *wire.Shards:
		n.replaceShards(from.Node, m)
	case *wire.Handover:
		if m.Incarnation == n.self().Incarnation {
			n.updateAndTell(func(e *entriesByMu) { e.ownership.Receive(from.Node, m.Handover) })
		}
	case *wire.LedgerQuery:
		n.sendLedger(from.Node)
	case *wire.Ledger:
		n.mergeLedger(from.Node, m)
	case *wire.Emit:
		if m.IsPersonal() && !(current && n.isCurrent()) {
			n.counts.stale.Add(1)
			return
		}
		local.Emit(&m.Emit)
	case *wire.Ask:
		n.serve(from, m)
	case *wire.Notify:
		n.notified(from, m)
	case *wire.EndAsk:
		n.endServing(questionID{from, m.ID})
	case *wire.Asked:
		n.asked(from, m)
	case *wire.Acks:
		n.answered(from, m)
	case *wire.Join:
		local.Join(&m.Join)
	case *wire.Leave:
		local.Leave(&m.Leave)
	case *wire.Disconnect:
		local.Disconnect(&m.Disconnect, false)
	case *wire.Extend:
		local.Extend(&m.Extend)
	case *wire.Rebind:
		n.apply(from.Node, m.ID, m.At, func() []string { local.Rebind(&m.Rebind); return nil })
	case *wire.Revoke:
		n.apply(from.Node, m.ID, m.At, func() []string { return local.Revoke(&m.Revoke, &m.Why) })
	case *wire.RevokeIdentity:
		n.apply(from.Node, m.ID, m.At, func() []string { local.RevokeIdentity(&m.RevokeIdentity, &m.Why); return nil })
	}
}

// apply applies a command once, and confirms it each time that it comes. The
// sender gets the changes of the entries before the confirmation. A command that
// is ahead of its time is neither applied nor confirmed: it comes again.
func (n *Node) apply(from string, id uint64, at command.Clock, run func() (sessions []string)) {
	if n.isAhead(from, at) {
		return
	}
	ids := n.applied.of(from, time.Now())
	sessions, repeated := ids.sessions[id]
	if repeated {
		n.counts.repeated.Add(1)
	} else {
		sessions = run()
		ids.note(id, sessions)
		n.flush()
	}
	n.send(from, &wire.Confirm{ID: id, Sessions: sessions})
}

// ledgerPart is how many entries are sent at once.
const ledgerPart = 1000

func (n *Node) sendLedger(to string) {
	entries := n.config.Local.Ledger()
	for number := 0; ; number++ {
		part := entries[:min(len(entries), ledgerPart)]
		entries = entries[len(part):]
		n.send(to, &wire.Ledger{Part: number, Entries: part, Last: len(entries) == 0})
		if len(entries) == 0 {
			return
		}
	}
}

func (n *Node) mergeLedger(from string, m *wire.Ledger) {
	n.config.Local.Merge(slices.DeleteFunc(m.Entries, func(e ledger.Entry) bool { return n.isAhead(from, e.At) }))
	n.change(func() members.Result { return n.members.Fetched(from, m.Part, m.Last) })
}
