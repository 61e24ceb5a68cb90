// Package fifo provides a first-in, first-out queue.
package fifo

// keep is how many items an empty queue keeps room for.
const keep = 16

// Queue is a first-in, first-out queue. The zero value is an empty queue, ready
// to use. A Queue is not safe for concurrent use.
//
// An empty queue keeps a small array, so that pushing and popping in turn does
// not allocate, and releases a large one.
type Queue[T any] struct {
	items []T // those before head have been popped and are zero
	head  int
}

// Len returns the number of items in the queue.
func (q *Queue[T]) Len() int { return len(q.items) - q.head }

// Push appends an item to the queue.
func (q *Queue[T]) Push(item T) {
	if len(q.items) == cap(q.items) {
		q.compact()
	}
	q.items = append(q.items, item)
}

// PushAll appends items to the queue.
func (q *Queue[T]) PushAll(items []T) {
	if len(q.items)+len(items) > cap(q.items) {
		q.compact()
	}
	q.items = append(q.items, items...)
}

// compact moves the items to the beginning of the array, if that makes much
// room. Without it a queue that is never quite empty would grow for ever.
func (q *Queue[T]) compact() {
	if q.head <= len(q.items)/2 {
		return
	}
	n := copy(q.items, q.items[q.head:])
	clear(q.items[n:])
	q.items, q.head = q.items[:n], 0
}

// At returns a pointer to the item that i others stand before. It panics if
// there is no such item. The pointer is valid until the next Push.
func (q *Queue[T]) At(i int) *T { return &q.items[q.head:][i] }

// Pop removes the first item and returns it. It panics if the queue is empty.
func (q *Queue[T]) Pop() T {
	var zero T
	item := q.items[q.head]
	q.items[q.head] = zero
	q.head++
	if q.head == len(q.items) {
		q.reset(cap(q.items) <= keep)
	}
	return item
}

// PopInto moves items from the queue to dst, as many as there are and fit, and
// returns their number. Unlike Pop it keeps the array of a queue that it
// empties: it is for a queue that is filled and emptied all the time.
func (q *Queue[T]) PopInto(dst []T) int {
	n := copy(dst, q.items[q.head:])
	clear(q.items[q.head : q.head+n])
	q.head += n
	if q.head == len(q.items) {
		q.reset(true)
	}
	return n
}

// Trim releases the array of an empty queue if it has room for more than n
// items.
func (q *Queue[T]) Trim(n int) {
	if q.Len() == 0 && cap(q.items) > n {
		q.reset(false)
	}
}

// reset makes a queue from which everything was popped empty.
func (q *Queue[T]) reset(keepArray bool) {
	q.head = 0
	if keepArray {
		q.items = q.items[:0]
	} else {
		q.items = nil
	}
}
