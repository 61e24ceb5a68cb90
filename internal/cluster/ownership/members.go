package ownership

import (
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/hub/presence"
)

// Join begins to join, for the first time or after Isolated. Then the caller
// must call NodeJoined for each member that it finds, and Synced when it has
// found all. If members have named a node that does not answer, it must call
// NodeJoined for that, too, and NodeDied when it was silent for as long as a
// member that died.
func (o *Ownership) Join() {
	if o.phase != apart {
		return
	}
	o.reset()
	o.phase = joining
	o.joinedAt = o.Now()
	o.members = view{{o.Self, hashName(o.Self), o.joinedAt}}
}

// Synced reports that the node knows all members, and that its copies of their
// entries are complete.
func (o *Ownership) Synced() {
	if o.phase == joining {
		o.synced, o.syncedAt = true, o.Now()
		o.proceed()
	}
}

// NodeJoined reports that a node is a member. Each of the two nodes must know
// the other one, so that it accepts the Handovers. If the node was a member as
// another incarnation, the caller must call NodeDied or NodeLeft before.
func (o *Ownership) NodeJoined(name string) {
	if _, ok := o.members.find(name); ok || name == o.Self || o.phase == apart {
		return
	}
	delete(o.outgoing, name)
	delete(o.incoming, name)
	delete(o.died, name)
	o.forgetDeaths()
	o.members = append(o.members.without(name), node{name, hashName(name), o.Now()})
	out := o.outgoingTo(name)
	if o.phase == leaving {
		o.unreleased[name] = true
		out.announce = true
	}
	if o.phase == joining {
		out.announce, out.joining, out.returning = true, true, o.beforeIsolation != nil
		o.incomingFrom(name).awaited = true
		return
	}
	out.last = true
	o.moveKeys()
}

// proceed ends joining if this node waits for no handover of a member that does
// not join itself.
func (o *Ownership) proceed() {
	if o.phase != joining || !o.synced {
		return
	}
	late := !o.Now().Before(o.joinedAt.Add(handoverTimeout))
	for name, in := range o.incoming {
		if in.awaited && !late {
			return
		}
		if in.awaited {
			o.giveUp(name)
			in.awaited = false
		}
	}
	alone := len(o.members) == 1 && o.beforeIsolation == nil && len(o.keys) == 0
	o.phase = member
	if late {
		clear(o.joiners)
	}
	if !o.received {
		o.takeUp()
	}
	o.beforeIsolation = nil
	o.moveKeys()
	for _, m := range o.members {
		if m.name != o.Self {
			out := o.outgoingTo(m.name)
			out.joining, out.last = true, true
		}
	}
	if alone {
		o.reconcile()
	} else {
		o.settle()
	}
}

// takeUp goes on with the state from before the isolation. The nodes that were
// isolated, too, need not be told.
func (o *Ownership) takeUp() {
	for k, s := range o.beforeIsolation {
		if in := o.incoming[o.Owner(k)]; in == nil || !in.returning {
			o.keys[k] = max(o.keys[k], s)
		}
	}
}

// settle tells nothing until the node's own copy has what other nodes told.
func (o *Ownership) settle() {
	if o.phase == member {
		o.settledAt = o.Now().Add(settleTime)
	}
}

// NodeLeft reports that a member has said that it is gone.
func (o *Ownership) NodeLeft(name string) {
	_, isLeaver := o.leavers[name]
	in := o.incoming[name]
	if o.phase == leaving || !isLeaver && o.phase == joining && in != nil && in.awaited {
		// It handed over to others, and not to this node because that leaves,
		// too, or was not known yet. They send this node what it owns.
		o.members = o.members.without(name)
		delete(o.leavers, name)
		delete(o.unreleased, name)
		delete(o.incoming, name)
		o.takeBack(name)
		o.moveKeys()
		o.proceed()
		return
	}
	o.remove(name, o.Now())
}

// NodeDied reports that a member is gone without a word. The caller must call
// it before it removes the entries of the node. heard is when the latest
// message of the node arrived.
func (o *Ownership) NodeDied(name string, heard time.Time) { o.remove(name, heard) }

func (o *Ownership) remove(name string, heard time.Time) {
	o.forgetDeaths()
	delete(o.unreleased, name)
	m, ok := o.members.find(name)
	before := o.members
	if l, leaves := o.leavers[name]; leaves {
		m, before, ok = l.node, l.before, true
	}
	if !ok {
		return
	}
	o.members = o.members.without(name)
	o.takeBack(name)
	since := heard.Add(-unnoticedIsolation - lag)
	if wait := handoverTimeout + settleTime; since.Before(m.joined.Add(wait)) {
		// It may have told nothing yet, and the previous owners neither if they
		// were waiting.
		since = earlier(since, m.joined.Add(-wait-lag))
	}
	if since.Before(o.pausedUntil) {
		since = earlier(since, o.pausedFrom.Add(-lag))
	}
	o.assume(m, before, since, heard)
	o.died[name] = death{before, since, o.Now()}
	delete(o.incoming, name)
	o.endWait(name)
	o.moveKeys()
	o.reconcile()
	o.proceed()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// takeBack takes back what was not sent to a node that is gone, and what was
// sent while this node leaves, too: nobody else may know it.
func (o *Ownership) takeBack(name string) {
	out := o.outgoing[name]
	if out == nil {
		return
	}
	for _, k := range slices.Concat(out.online, out.sentOnline) {
		o.keys[k] = max(o.keys[k], online)
	}
	for _, k := range slices.Concat(out.unsure, out.sentUnsure) {
		o.keys[k] = unsure
	}
	delete(o.outgoing, name)
}

// Isolated reports that the node cannot reach the others. heard is when the
// latest message arrived that it had sent to itself. The caller must call
// Isolated before it calls NodeDied for nodes that it cannot hear any more, and
// before it removes their entries.
func (o *Ownership) Isolated(heard time.Time) {
	if o.phase == apart {
		return
	}
	before := o.beforeIsolation
	if before == nil {
		before = make(map[presence.Key]state)
	}
	knows := func(k presence.Key) bool { return o.phase == member && o.owns(k) }
	for k := range o.Keys {
		if o.concerns(k) && !knows(k) {
			before[k] = online
		}
	}
	for t := range o.recent.since(heard.Add(-lag)) {
		if !knows(t.key) {
			before[t.key] = unsure
		}
	}
	for k, s := range o.keys {
		before[k] = max(before[k], s)
	}
	o.reset()
	o.beforeIsolation = before
}

// Leave begins to leave. The caller must send the Handovers before it says that
// it is gone, see HasLeft.
func (o *Ownership) Leave() {
	if o.phase == apart || o.phase == leaving {
		return
	}
	o.phase = leaving
	o.leavingAt = o.Now()
	o.members = o.members.without(o.Self)
	o.unreleased = make(map[string]bool)
	for _, m := range o.members {
		out := o.outgoingTo(m.name)
		out.announce, out.last = true, true
		o.unreleased[m.name] = true
		o.leavingFrom = append(o.leavingFrom, m.name)
	}
	for name := range o.leavers {
		// It must not hand over to this node any more.
		o.released = append(o.released, release{to: name})
	}
	o.moveKeys()
}

// expectsKeys reports whether a node that leaves may receive more keys.
func (o *Ownership) expectsKeys() bool {
	if !o.Now().Before(o.leavingAt.Add(handoverTimeout)) {
		return false
	}
	for _, in := range o.incoming {
		if in.awaited {
			return true
		}
	}
	return len(o.unreleased) > 0
}

// HasLeft reports whether all Handovers about leaving were sent.
func (o *Ownership) HasLeft() bool {
	if o.phase == apart {
		return true
	}
	if o.phase != leaving || o.telling != (presence.Key{}) || len(o.released) > 0 || o.expectsKeys() {
		return false
	}
	for _, m := range o.members {
		if out := o.outgoing[m.name]; out != nil && (out.last || len(out.online)+len(out.unsure) > 0) {
			return false
		}
	}
	return true
}

// Deadline returns the time at which the caller must call Expire. It returns
// false if it need not.
func (o *Ownership) Deadline() (at time.Time, ok bool) {
	add := func(t time.Time) {
		if !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	switch {
	case o.phase == joining && o.synced, o.phase == member && len(o.joiners) > 0:
		add(o.joinedAt.Add(handoverTimeout))
	}
	if o.phase == leaving && o.expectsKeys() {
		add(o.leavingAt.Add(handoverTimeout))
	}
	for _, l := range o.leavers {
		add(l.since.Add(handoverTimeout))
	}
	if !o.settledAt.IsZero() {
		add(o.settledAt)
	}
	return at, ok
}

// Expire ends the waits that are over.
func (o *Ownership) Expire() {
	now := o.Now()
	over := func(since time.Time) bool { return !now.Before(since.Add(handoverTimeout)) }
	if len(o.joiners) > 0 && o.phase == member && over(o.joinedAt) {
		clear(o.joiners)
		o.settle()
	}
	for name, l := range o.leavers {
		if over(l.since) {
			o.giveUp(name)
			o.endWait(name)
		}
	}
	if !o.settledAt.IsZero() && !now.Before(o.settledAt) {
		o.settledAt = time.Time{}
		o.reconcile()
	}
	o.proceed()
}
