package ledger

import (
	"container/list"
	"slices"
	"time"
)

// walk visits the entries a portion at a time, from the oldest to the newest.
// The list may change between the portions: the walk visits no removed entry,
// and an entry that was replaced once more.
type walk struct{ next *list.Element }

// walks are the walks of a list that have not ended.
type walks []*walk

// skip is called before an entry is removed.
func (l walks) skip(at *list.Element) {
	for _, w := range l {
		if w.next == at {
			w.next = at.Next()
		}
	}
}

func (l *entries[T]) beginWalk() *walk {
	w := &walk{l.order.Front()}
	l.walks = append(l.walks, w)
	return w
}

func (l *entries[T]) endWalk(w *walk) {
	l.walks = slices.DeleteFunc(l.walks, func(other *walk) bool { return other == w })
}

// portion visits up to n entries, and reports whether there are more.
func (l *entries[T]) portion(w *walk, n int, now time.Time, visit func(e *entry[T])) (more bool) {
	for ; w.next != nil && n > 0; n-- {
		e := w.next.Value.(*entry[T])
		w.next = w.next.Next()
		if !e.expired(now) {
			visit(e)
		}
	}
	return w.next != nil
}
