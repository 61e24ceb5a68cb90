package ownership

import (
	"time"

	"github.com/mojosocket/mojo/internal/hub/presence"
)

// Transition records a transition in the node's own copy of the directory.
// Before the caller passes a transition that the node's own connections made,
// it must have sent these changes to the others. Otherwise, if the node told
// the application and died, nobody would know.
func (o *Ownership) Transition(t presence.Transition) {
	k := presence.Key{Namespace: t.Namespace, Key: t.Key}
	if o.phase == apart || o.phase == joining && !o.synced || !o.concerns(k) {
		return
	}
	now := o.Now()
	o.recent.add(transition{key: k, hash: hash(k), at: now}, now)
	if !o.waits() && o.owns(k) {
		o.observe(k, t.Online)
	}
}

// waits reports whether the node tells nothing at present.
func (o *Ownership) waits() bool {
	return o.phase != member || len(o.joiners) > 0 || len(o.leavers) > 0 || !o.settledAt.IsZero()
}

// observe makes the transitions pending that lead to the presence of a key.
func (o *Ownership) observe(k presence.Key, isOnline bool) {
	p, ok := o.pending[k]
	s := o.keys[k]
	switch {
	case ok && p.last() == isOnline:
	case ok && s == unsure:
		o.pending[k] = pending{first: isOnline, at: o.Now()}
	case ok:
		o.pending[k] = pending{first: p.first, two: !p.two, at: o.Now()}
	case s == unsure || (s == online) != isOnline:
		o.pending[k] = pending{first: isOnline, at: o.Now()}
		o.queue.Push(k)
	}
}

// reconcile makes pending what the application was not told.
func (o *Ownership) reconcile() {
	if o.waits() {
		return
	}
	for k := range o.Keys {
		if o.concerns(k) && o.owns(k) {
			o.observe(k, true)
		}
	}
	for k := range o.keys {
		if o.owns(k) {
			o.observe(k, o.Online(k))
		}
	}
	for k := range o.pending {
		o.observe(k, o.Online(k))
	}
}

// Reached reports that a message has arrived that this node had sent to itself
// at a time. Until then the node tells none of the transitions after that time:
// if it is cut off it does not know about the others any more, and would
// report ids as offline that are on other nodes by now.
func (o *Ownership) Reached(sent time.Time) {
	if sent.After(o.reached) {
		o.reached = sent
	}
}

// WaitsForReached reports whether there is a transition that Next returns only
// after a call of Reached. The caller must send a message to itself.
func (o *Ownership) WaitsForReached() bool {
	for !o.waits() && o.queue.Len() > 0 {
		p, ok := o.pending[*o.queue.At(0)]
		if ok {
			return p.at.After(o.reached)
		}
		o.queue.Pop()
	}
	return false
}

// Next returns the next transition that the caller must tell the application.
// Then the caller must call Done. Next returns false if there is none to tell
// now, or if the caller is telling one.
func (o *Ownership) Next() (presence.Transition, bool) {
	for !o.waits() && o.telling == (presence.Key{}) && !o.WaitsForReached() && o.queue.Len() > 0 {
		k := o.queue.Pop()
		p, ok := o.pending[k]
		if !ok {
			continue
		}
		delete(o.pending, k)
		if s := o.keys[k]; s != unsure && (s == online) == p.first {
			if !p.two {
				continue
			}
			p = pending{first: !p.first, at: p.at}
		}
		if p.two {
			o.pending[k] = pending{first: !p.first, at: p.at}
			o.queue.Push(k)
		}
		if p.first {
			o.keys[k] = online
		} else {
			delete(o.keys, k)
		}
		o.telling = k
		o.noteTold(k)
		return presence.Transition{Namespace: k.Namespace, Key: k.Key, Online: p.first}, true
	}
	return presence.Transition{}, false
}

// noteTold remembers for recentTime that the node told about a key that it
// owns. What others do not know about the key by then does not matter.
func (o *Ownership) noteTold(k presence.Key) {
	now := o.Now()
	o.toldHere[k] = now
	o.lately.Push(transition{key: k, at: now})
	for o.lately.Len() > recentMax || o.lately.At(0).at.Before(now.Add(-recentTime)) {
		if old := o.lately.Pop(); o.toldHere[old.key].Equal(old.at) {
			delete(o.toldHere, old.key)
		}
	}
}

// Done reports that the application was told the transition that Next
// returned.
func (o *Ownership) Done() {
	k := o.telling
	o.telling = presence.Key{}
	if _, ok := o.keys[k]; ok && (o.phase == member || o.phase == leaving) {
		o.moveKey(k)
	}
}
