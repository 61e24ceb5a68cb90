package ledger

import (
	"container/list"
	"time"
)

// entries lists ids. Each is removed when its cookies have expired. The number
// is bounded: the oldest entries are removed first.
type entries[T any] struct {
	byID  map[string]*list.Element
	order list.List // of *entry[T], oldest first
	walks walks     // that have not ended
}

type entry[T any] struct {
	id    string
	until time.Time // zero: forever
	value T
}

// MaxEntries is the largest number of ids of each kind.
const MaxEntries = 1 << 16

func (e *entry[T]) expired(now time.Time) bool { return !e.until.IsZero() && now.After(e.until) }

// get returns the value of an id, if it is listed.
func (l *entries[T]) get(id string, now time.Time) (v T, listed bool) {
	e := l.find(id, now)
	if e == nil {
		return v, false
	}
	return e.value, true
}

// find returns the entry of an id, nil if it is not listed.
func (l *entries[T]) find(id string, now time.Time) *entry[T] {
	if at, in := l.byID[id]; in {
		if e := at.Value.(*entry[T]); !e.expired(now) {
			return e
		}
	}
	return nil
}

// add lists an id, or replaces its entry. The id becomes the newest.
func (l *entries[T]) add(id string, v T, until, now time.Time) {
	if l.byID == nil {
		l.byID = make(map[string]*list.Element)
	}
	if at, in := l.byID[id]; in {
		l.remove(at)
	}
	l.byID[id] = l.order.PushBack(&entry[T]{id, until, v})
	for at := l.order.Front(); at != nil; at = l.order.Front() {
		oldest := at.Value.(*entry[T])
		if len(l.byID) <= MaxEntries && !oldest.expired(now) {
			return
		}
		l.remove(at)
		delete(l.byID, oldest.id)
	}
}

func (l *entries[T]) remove(at *list.Element) {
	l.walks.skip(at)
	l.order.Remove(at)
}

// later returns the later of two expiries. Zero is never.
func later(a, b time.Time) time.Time {
	if a.IsZero() || b.IsZero() {
		return time.Time{}
	}
	if a.After(b) {
		return a
	}
	return b
}
