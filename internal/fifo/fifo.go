// Package fifo provides a first-in, first-out queue.
package fifo

// smallCap is the largest capacity of an array that an empty queue keeps.
const smallCap = 16

// Queue is a first-in, first-out queue. The zero value is an empty queue, ready
// to use. A Queue is not safe for concurrent use.
//
// An empty queue keeps a small array, so that alternating Push and Pop calls do
// not allocate. It releases a large array.
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

// compact moves the items to the beginning of the array if more than half of
// the array is unused. Without it a queue that is never empty would grow
// forever.
func (q *Queue[T]) compact() {
	if q.head <= len(q.items)/2 {
		return
	}
	n := copy(q.items, q.items[q.head:])
	clear(q.items[n:])
	q.items, q.head = q.items[:n], 0
}

// At returns a pointer to the item at index i; the first item has index 0. It
// panics if there is no such item. The pointer is valid until the next Push.
func (q *Queue[T]) At(i int) *T { return &q.items[q.head:][i] }

// Pop removes the first item and returns it. It panics if the queue is empty.
func (q *Queue[T]) Pop() T {
	var zero T
	item := q.items[q.head]
	q.items[q.head] = zero
	q.head++
	if q.head == len(q.items) {
		q.reset(cap(q.items) <= smallCap)
	}
	return item
}

// PopInto moves up to len(dst) items from the queue to dst and returns their
// number. Unlike Pop, it keeps a large array when the queue becomes empty. It
// is for a queue that is filled and emptied again and again.
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

// reset empties the array of a queue whose items have all been popped.
func (q *Queue[T]) reset(keepArray bool) {
	q.head = 0
	if keepArray {
		q.items = q.items[:0]
	} else {
		q.items = nil
	}
}
