package hub

import (
	"sync/atomic"

	"github.com/mojosocket/mojo/internal/command"
)

// Claims is the Namespace of the changes of claims.
const Claims = "claims"

// Change is the new size of an entry of the index.
type Change struct {
	Namespace string // or Claims
	command.Key
	// Count is the number of visible seats of a session or user. In Claims it
	// is the number of connections that claim the session or user. For a room
	// it is 1 if the room has seats, visible or not, and otherwise 0.
	Count int
}

// changes has the entries whose size has changed since they were taken. Its
// methods do nothing on nil. Hub.mu guards it, except for waiting.
type changes struct {
	dirty     map[changeKey]struct{}
	order     []changeKey // the keys of dirty, in the order of their first change
	announced bool        // a caller knows of the changes
	waiting   atomic.Bool // there are changes
}

type changeKey struct {
	namespace string
	command.Key
}

func newChanges() *changes { return &changes{dirty: make(map[changeKey]struct{})} }

func (q *changes) add(namespace string, k command.Key) {
	if q == nil {
		return
	}
	key := changeKey{namespace, k}
	if _, in := q.dirty[key]; in {
		return
	}
	q.dirty[key] = struct{}{}
	q.order = append(q.order, key)
	q.waiting.Store(true)
}

// announce reports whether there are changes of which no caller knows.
func (q *changes) announce() bool {
	if q == nil || q.announced || len(q.order) == 0 {
		return false
	}
	q.announced = true
	return true
}

// MaxChanges is the largest number of changes that one call of TakeChanges
// appends.
const MaxChanges = 1024

// ChangesWait reports whether there are changes for TakeChanges. It is for
// callers of methods that do not return presence.Work, and takes no lock. It
// returns false without Config.TrackEntries.
func (h *Hub) ChangesWait() bool { return h.changes != nil && h.changes.waiting.Load() }

// TakeChanges appends the entries whose size has changed since they were taken,
// in the order of their first change, with their present size. The caller calls
// it until it appends nothing: then the next change is announced by
// presence.Work.Changes.
func (h *Hub) TakeChanges(list []Change) []Change {
	q := h.changes
	if q == nil {
		return list
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(len(q.order), MaxChanges)
	for _, key := range q.order[:n] {
		delete(q.dirty, key)
		list = append(list, Change{key.namespace, key.Key, h.sizeLocked(key)})
	}
	if n < len(q.order) {
		clear(q.order[:n])
		q.order = q.order[n:]
		return list
	}
	q.order = nil
	q.waiting.Store(false)
	if n == 0 {
		q.announced = false
	}
	return list
}

func (h *Hub) sizeLocked(k changeKey) int {
	switch {
	case k.namespace == Claims:
		return h.claims[k.Kind].Count(k.ID)
	case k.Kind == command.Room:
		return min(h.namespaces[k.namespace].keyed[k.Kind].Count(k.ID), 1)
	}
	return h.namespaces[k.namespace].keyed[k.Kind].Count(k.ID)
}
