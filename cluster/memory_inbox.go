package cluster

import (
	"container/heap"
	"time"

	"github.com/mojosocket/mojo/internal/fifo"
)

// delivery is what a node gets: a message or a report.
type delivery struct {
	from     *memoryLink // the publisher; nil for a report of the link's own state
	message  Message
	isReport bool
	report   LinkState
	overflow bool // the report of a full inbox, which has no part in its bound
	size     int
	due      time.Time
	number   uint64 // of deliveries with the same due time the lower is first
}

// inbox is the queue of a node. memory.mu guards it.
type inbox struct {
	ready   fifo.Queue[*delivery]
	delayed deliveryHeap
	pushed  uint64
	count   int // of ready and delayed without reports of the link's own state
	bytes   int
	// overflowing: a report of lost messages is in the queue. Those that are
	// lost until the node gets it need no other.
	overflowing bool
	running     chan struct{} // closed when the goroutine that delivers ends; nil: there is none
	wake        chan struct{} // has an element if the goroutine must look at the inbox again
}

// pushLocked puts a delivery of another link into the inbox. memory.mu must be
// held.
//
// A delivery that is due goes through the heap, too, while others are there:
// they may be earlier ones of the same publisher.
func (l *memoryLink) pushLocked(d *delivery, delayed bool) {
	if d.overflow = l.fullLocked(d.size); d.overflow {
		if l.overflowing {
			return
		}
		l.overflowing = true
		d.message, d.isReport, d.report, d.size = Message{}, true, LinkResumed, 0
	} else {
		l.count++
		l.bytes += d.size
	}
	if delayed || len(l.delayed) > 0 {
		l.pushed++
		d.number = l.pushed
		heap.Push(&l.delayed, d)
	} else {
		l.ready.Push(d)
	}
	l.startLocked()
}

// fullLocked reports whether a delivery of a size finds no room in the inbox. A
// large one has room in an empty inbox. memory.mu must be held.
func (l *memoryLink) fullLocked(size int) bool {
	most := l.memory.faults.queue()
	return l.count >= most || l.count > 0 && l.bytes+size > most<<10
}

// discardLocked takes deliveries out of the inbox. It reports whether there were
// messages among them. memory.mu must be held.
func (l *memoryLink) discardLocked(match func(*delivery) bool) (lost bool) {
	keep := func(d *delivery) bool {
		if !match(d) {
			return true
		}
		lost = lost || d.from != nil
		l.takenLocked(d)
		return false
	}
	for range l.ready.Len() {
		if d := l.ready.Pop(); keep(d) {
			l.ready.Push(d)
		}
	}
	var delayed deliveryHeap
	for _, d := range l.delayed {
		if keep(d) {
			delayed = append(delayed, d)
		}
	}
	l.delayed = delayed
	heap.Init(&l.delayed)
	l.wakeLocked()
	return lost
}

// takenLocked keeps the account of a delivery that has left the inbox.
// memory.mu must be held.
func (l *memoryLink) takenLocked(d *delivery) {
	switch {
	case d.overflow:
		l.overflowing = false
	case d.from != nil:
		l.count--
		l.bytes -= d.size
	}
}

// startLocked sees to it that a goroutine delivers what is in the inbox.
// memory.mu must be held.
func (l *memoryLink) startLocked() {
	if l.running == nil {
		l.running = make(chan struct{})
		go l.deliver(l.running)
		return
	}
	l.wakeLocked()
}

func (l *memoryLink) wakeLocked() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// deliver calls the node for each delivery that is due. It ends when the inbox
// is empty.
func (l *memoryLink) deliver(stopped chan struct{}) {
	defer close(stopped)
	for {
		d, wait, ok := l.next()
		switch {
		case !ok:
			return
		case d != nil:
			l.call(d)
		default:
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-l.wake:
				timer.Stop()
			}
		}
	}
}

// next returns the next delivery, or how long to wait for it. ok is false if
// there is none; then the goroutine must end.
func (l *memoryLink) next() (d *delivery, wait time.Duration, ok bool) {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	if len(l.delayed) > 0 {
		now := time.Now()
		for len(l.delayed) > 0 && !l.delayed[0].due.After(now) {
			l.ready.Push(heap.Pop(&l.delayed).(*delivery))
		}
		if l.ready.Len() == 0 {
			return nil, l.delayed[0].due.Sub(now), true
		}
	}
	if l.ready.Len() == 0 {
		l.running = nil
		return nil, 0, false
	}
	d = l.ready.Pop()
	l.takenLocked(d)
	return d, 0, true
}

func (l *memoryLink) call(d *delivery) {
	switch message := &d.message; {
	case d.isReport:
		l.node.Link(d.report)
	case message.Event != nil:
		if occupied(l.node, &message.Event.Address) {
			l.node.Event(message.Event)
		}
	case message.Command != nil:
		l.node.Command(message.Command)
	default:
		l.node.Control(message.Control)
	}
}

// occupied reports whether a node has connections that an event may be for.
func occupied(n Node, a *Address) bool {
	for _, room := range a.Rooms {
		if n.Occupied(a.Namespace, room) {
			return true
		}
	}
	return len(a.Rooms) == 0 && n.Occupied(a.Namespace, "")
}

// deliveryHeap is a heap of deliveries by the time at which they are due.
type deliveryHeap []*delivery

func (h deliveryHeap) Len() int { return len(h) }

func (h deliveryHeap) Less(i, j int) bool {
	if !h[i].due.Equal(h[j].due) {
		return h[i].due.Before(h[j].due)
	}
	return h[i].number < h[j].number
}

func (h deliveryHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *deliveryHeap) Push(d any)   { *h = append(*h, d.(*delivery)) }

func (h *deliveryHeap) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return d
}
