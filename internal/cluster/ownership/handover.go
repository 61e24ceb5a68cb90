package ownership

import (
	"maps"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/hub/presence"
)

// The limits of the keys in a Handover. One key may exceed maxBytes.
const (
	maxKeys  = 512
	maxBytes = 32 << 10
)

// Handover is a message from one node to another that says what the application
// was told about keys that the other node owns. The messages of one node must
// arrive in order.
//
// A node sends Handovers until Last to a node that joins. There may be more
// after Last if it learns what a third node told.
//
// A node that leaves sends Handovers to all others. They answer that it is
// released: it is not an owner any more, and receives no more keys. Then it
// sends Last.
type Handover struct {
	Part   int            // counts the Handovers from one node to another
	Online []presence.Key // the application was told last that they are online
	Unsure []presence.Key // it may not have been told the latest transition

	Joining   bool     // the sender joins, too
	Returning bool     // the sender joins after it was isolated
	Leaving   bool     // the sender leaves, and tells nothing from now on
	Members   []string // with Leaving: the others that it knew when it began to
	Released  bool     // the sender knows that the receiver leaves
	Last      bool     // of those about a join, or about leaving
	Dead      []string // with Last: the nodes whose keys the sender has taken over lately, because they died
}

// outgoing is what must be sent to a member.
type outgoing struct {
	parts  int // that were sent
	online []presence.Key
	unsure []presence.Key

	// What was sent while this node leaves. If the other node dies or leaves,
	// this node sends it to another one.
	sentOnline, sentUnsure []presence.Key

	announce  bool // send a Handover, even without keys
	joining   bool
	returning bool
	last      bool
}

// incoming is the state of what a member sends.
type incoming struct {
	parts     int  // that should have come
	missing   bool // some have not come
	awaited   bool // this node joins and tells nothing before Last
	returning bool
	dead      []string // see Handover
}

func (o *Ownership) outgoingTo(name string) *outgoing {
	out := o.outgoing[name]
	if out == nil {
		out = new(outgoing)
		o.outgoing[name] = out
	}
	return out
}

func (o *Ownership) incomingFrom(name string) *incoming {
	in := o.incoming[name]
	if in == nil {
		in = new(incoming)
		o.incoming[name] = in
	}
	return in
}

func (out *outgoing) add(k presence.Key, s state) {
	if s == unsure {
		out.unsure = append(out.unsure, k)
	} else {
		out.online = append(out.online, k)
	}
}

// moveKeys moves the keys to their owners that the node does not own. The key
// that is being told stays: the next owner must not tell before.
func (o *Ownership) moveKeys() {
	if o.phase != member && o.phase != leaving {
		return // a node that joins does it when all handovers have come
	}
	for k := range o.keys {
		o.moveKey(k)
	}
	for k := range o.pending {
		if !o.owns(k) {
			delete(o.pending, k)
		}
	}
	for k := range o.toldHere {
		if !o.owns(k) {
			delete(o.toldHere, k)
		}
	}
}

func (o *Ownership) moveKey(k presence.Key) {
	owner := o.Owner(k)
	if o.phase == leaving {
		owner = o.heirOf(k)
	}
	if owner == o.Self || k == o.telling {
		return
	}
	if owner != "" {
		o.outgoingTo(owner).add(k, o.keys[k])
	}
	if o.keys[k] == unsure {
		now := o.Now()
		o.recent.add(transition{key: k, hash: hash(k), at: now}, now) // the next owner tells it now
	}
	delete(o.keys, k)
}

// heirOf returns the name of the node to which a node that leaves hands over a
// key. If it leaves while it joins, some members may be dead. Any other one
// sends the key to its owner.
func (o *Ownership) heirOf(k presence.Key) string {
	heir := o.members.ownerAmong(hash(k), func(m *node) bool {
		in := o.incoming[m.name]
		return (in == nil || !in.awaited || in.parts > 0) && !m.joined.After(o.leavingAt)
	})
	if heir == "" {
		return o.Owner(k)
	}
	return heir
}

// NextHandover returns the next message that the caller must send, and the name
// of the node to which it must be sent. It returns false if there is none to
// send now.
func (o *Ownership) NextHandover() (to string, h Handover, ok bool) {
	if len(o.released) > 0 {
		r := o.released[0]
		o.released = o.released[1:]
		return r.to, Handover{Part: r.part, Leaving: o.phase == leaving, Released: true}, true
	}
	mayEnd := (o.telling == (presence.Key{}) || o.owns(o.telling)) && !(o.phase == leaving && o.expectsKeys())
	for _, m := range o.members {
		out := o.outgoing[m.name]
		if out == nil {
			continue
		}
		size := 0
		h = Handover{Part: out.parts, Online: take(&out.online, &size), Unsure: take(&out.unsure, &size)}
		h.Last = out.last && mayEnd && len(out.online)+len(out.unsure) == 0
		if size == 0 && !h.Last && !out.announce {
			continue
		}
		h.Joining, h.Returning, h.Leaving = out.joining, out.returning, o.phase == leaving
		if h.Leaving {
			if out.announce {
				h.Members = o.leavingFrom
			}
			out.sentOnline = append(out.sentOnline, h.Online...)
			out.sentUnsure = append(out.sentUnsure, h.Unsure...)
		}
		out.parts++
		out.announce = false
		if h.Last {
			if o.phase == member {
				h.Dead = slices.Sorted(maps.Keys(o.died))
			}
			out.last, out.joining, out.returning = false, false, false
		}
		return m.name, h, true
	}
	return "", Handover{}, false
}

// take removes as many keys as a Handover may have. It adds their size.
func take(keys *[]presence.Key, size *int) []presence.Key {
	n := 0
	for n < min(len(*keys), maxKeys) && *size < maxBytes {
		k := (*keys)[n]
		*size += len(k.Namespace) + len(k.ID)
		n++
	}
	taken := (*keys)[:n:n]
	if *keys = (*keys)[n:]; len(*keys) == 0 {
		*keys = nil
	}
	if n == 0 {
		return nil
	}
	return taken
}

// Receive applies a Handover from another node. It must be from the incarnation
// for which NodeJoined was called, and for this incarnation of the node.
func (o *Ownership) Receive(from string, h Handover) {
	if o.phase == apart {
		return
	}
	in := o.incomingFrom(from)
	in.missing = in.missing || h.Part != in.parts
	in.parts = h.Part + 1
	if m, ok := o.members.find(from); ok && h.Leaving {
		now := o.Now()
		if now.After(o.pausedUntil) {
			o.pausedFrom = now
		}
		o.pausedUntil = now.Add(handoverTimeout + settleTime + lag)
		o.leavers[from] = leaver{m, o.members, now}
		o.members = o.members.without(from)
		o.released = append(o.released, release{from, o.outgoingTo(from).parts})
		o.takeBack(from)
		for _, name := range h.Members {
			o.inherit(o.leavers[from], name)
		}
		o.moveKeys()
	}
	if h.Released {
		delete(o.unreleased, from)
		in.awaited = false
	}
	for _, k := range h.Online {
		o.receiveKey(k, online)
	}
	for _, k := range h.Unsure {
		o.receiveKey(k, unsure)
	}
	in.returning = in.returning || h.Returning
	switch {
	case h.Last:
		in.dead = h.Dead
		o.receiveLast(from, in, h.Joining)
	case h.Joining && (in.awaited || o.phase == member && !o.settledAt.IsZero()):
		// It may have what others told before they knew of this node.
		in.awaited = false
		o.joiners[from] = true
	}
	if _, ok := o.members.find(from); !ok && o.leavers[from].name == "" {
		delete(o.incoming, from)
	}
	o.proceed()
}

// receiveKey sets the state of a key that another node told.
func (o *Ownership) receiveKey(k presence.Key, s state) {
	if !o.concerns(k) {
		return
	}
	if _, ok := o.toldHere[k]; ok {
		return // this node knows better
	}
	if !o.waits() && o.owns(k) {
		if s == online && o.Online(k) {
			// It is late, or it is from a node that could not reach this one:
			// this node has told, or is going to.
			return
		}
		o.keys[k] = max(o.keys[k], s)
		o.observe(k, o.Online(k))
		return
	}
	o.keys[k] = max(o.keys[k], s)
	if o.phase != joining && !o.owns(k) {
		// This node is not the owner any more, or not yet because it has not
		// noticed that the owner died.
		now := o.Now()
		o.recent.add(transition{key: k, hash: hash(k), at: now}, now)
		o.moveKey(k)
	}
}

// receiveLast ends the handover of a node.
func (o *Ownership) receiveLast(from string, in *incoming, isJoining bool) {
	o.received = o.received || in.awaited && !isJoining
	if in.missing {
		o.giveUp(from)
	}
	in.missing, in.awaited = false, false
	o.endWait(from)
}

// giveUp assumes what a node told, because its handover has not come, or not
// all of it. The node may have told nothing since the handover began.
func (o *Ownership) giveUp(from string) {
	if l, ok := o.leavers[from]; ok {
		o.assume(l.node, l.before, l.since.Add(-lag), time.Time{})
	} else if m, ok := o.members.find(from); ok && o.incomingFrom(from).awaited {
		o.assume(m, o.members, o.joinedAt.Add(-lag), time.Time{})
	}
}

// endWait ends the wait for a node that joins or leaves.
func (o *Ownership) endWait(from string) {
	_, isJoiner := o.joiners[from]
	_, isLeaver := o.leavers[from]
	if isJoiner || isLeaver {
		delete(o.joiners, from)
		delete(o.leavers, from)
		o.settle()
	}
}
