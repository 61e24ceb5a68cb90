package ownership

import (
	"maps"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/hub/presence"
)

// death is that of a member. It may not have told the transitions since a time.
type death struct {
	before  view // the members with it
	since   time.Time
	noticed time.Time
}

// assume takes over the keys of a node that did not hand them over. It may not
// have told the transitions since a time. before are the members with the node.
// lost is when its messages ended, zero if it is not dead.
func (o *Ownership) assume(gone node, before view, since, lost time.Time) {
	if o.phase == leaving {
		before = append(slices.Clip(before), node{o.Self, hashName(o.Self), o.joinedAt})
	}
	former := before // those that shared the keys before
	if in := o.incoming[gone.name]; in != nil && in.awaited || o.joiners[gone.name] {
		former = slices.DeleteFunc(before.without(o.Self), func(m node) bool { return o.synced && m.joined.After(o.syncedAt) })
	}

	// tookOver reports whether another node has handed the key over since it
	// knows that the node is gone.
	tookOver := func(h uint64) bool {
		in := o.incoming[gone.name]
		if in == nil || !in.awaited {
			return false
		}
		heir := o.incoming[former.without(gone.name).owner(h)]
		return heir != nil && slices.Contains(heir.dead, gone.name)
	}

	now := o.Now()
	untold := make(map[presence.Key]transition)
	for t := range o.recent.since(since) {
		untold[t.key] = t
	}
	newcomers := !lost.IsZero() && slices.ContainsFunc(o.members, func(m node) bool { return m.joined.Add(lag).After(lost) })
	for k := range o.Keys {
		if _, ok := untold[k]; ok || !o.concerns(k) {
			continue
		}
		h := hash(k)
		switch owner := o.members.owner(h); {
		case owner == o.Self && former.owner(h) == gone.name && !tookOver(h):
			o.keys[k] = max(o.keys[k], online)
		case owner != o.Self && owner != "" && newcomers && o.mustSend(h, lost, gone, before):
			o.outgoingTo(owner).add(k, online) // it may not have the entries of the dead node
		}
	}
	for k, t := range untold {
		owner := o.members.owner(t.hash)
		if owner != o.Self && owner != "" && (o.mustSend(t.hash, t.at, gone, before) || newcomers && o.mustSend(t.hash, lost, gone, before)) {
			o.outgoingTo(owner).add(k, unsure)
		}
		switch {
		case former.owner(t.hash) != gone.name || tookOver(t.hash):
		case owner == o.Self:
			o.keys[k] = unsure
		default:
			t.ownedFrom = now
			o.recent.add(t, now) // the next owner tells it now
		}
	}
}

// inherit takes over the keys of a node that this node knows to be dead, and that
// a member which leaves had to take over, but did not know to be dead when it
// began to leave.
func (o *Ownership) inherit(l leaver, dead string) {
	d, isDead := o.died[dead]
	if !isDead || l.name == dead {
		return
	}
	heirs := func(h uint64) bool {
		return d.before.owner(h) == dead && l.before.owner(h) == l.name && o.members.owner(h) == o.Self
	}
	for k := range o.Keys {
		if o.concerns(k) && heirs(hash(k)) {
			o.keys[k] = max(o.keys[k], online)
		}
	}
	for t := range o.recent.since(d.since) {
		if heirs(t.hash) {
			o.keys[t.key] = unsure
		}
	}
}

// forgetDeaths forgets those that every other node must have noticed.
func (o *Ownership) forgetDeaths() {
	maps.DeleteFunc(o.died, func(_ string, d death) bool { return o.Now().Sub(d.noticed) > handoverTimeout })
}

// mustSend reports whether this node must send what it knows about a key since
// a time to the owner, which joined later. gone may not have told it. One node
// sends it: the owner among those that know it.
func (o *Ownership) mustSend(key uint64, at time.Time, gone node, before view) bool {
	if o.syncedAt.IsZero() || at.Before(o.syncedAt) {
		return false
	}
	// The longer ago a node joined, the more it knows: it may not have the
	// entries of a node that was dead already, and not know how these end.
	for _, age := range [...]time.Duration{recentTime, lag, 0} {
		knows := func(m *node) bool { return m.name != gone.name && !m.joined.Add(age).After(at) }
		if heir := before.ownerAmong(key, knows); heir != "" {
			return heir == o.Self && before.ownerAmong(key, func(m *node) bool { return m.name == gone.name || knows(m) }) == gone.name
		}
	}
	return false
}
