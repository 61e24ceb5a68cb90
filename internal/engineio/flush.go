package engineio

import (
	"runtime"
	"sync"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
	"github.com/mojosocket/mojo/internal/fifo"
)

// flushList is the links that have something to write, in the order in which
// they came. Workers write to them, and live only while there are any. Messages
// for a link that stands in the list leave together in one write.
type flushList struct {
	mu      sync.Mutex // guards the fields below
	due     fifo.Queue[due]
	workers int
}

// due is a link that has to be written to, and the message that it gets first.
// If nothing is queued for a link, a message does not pass through the queue,
// and counts as being written: of many clients in turn, the queue would be one
// more cache line to load for each.
type due struct {
	link  *link
	first *Message // nil: write the queued messages
}

// workerShare is the number of links that a worker takes at a time.
const workerShare = 32

// earlyStart is the number of links in the list at which workers start before a
// fan-out has come to its end.
const earlyStart = 1 << 10

// maxWorkers leaves half of the cores to the goroutines that send. Messages
// that they queue meanwhile leave together with those that are queued already,
// so there are fewer writes.
func maxWorkers() int { return (runtime.GOMAXPROCS(0) + 1) / 2 }

// add appends links to the list. If start is false, workers are started by a
// later call of the same fan-out, unless there is much to do already: on
// another processor they would load the cache lines of the very clients that
// the fan-out is about to use.
func (f *flushList) add(links []due, start bool) {
	f.mu.Lock()
	f.due.PushAll(links)
	if !start && f.due.Len() < earlyStart {
		f.mu.Unlock()
		return
	}
	n := (f.due.Len() + workerShare - 1) / workerShare
	n = min(n, maxWorkers()) - f.workers
	f.workers += max(n, 0)
	f.mu.Unlock()
	for ; n > 0; n-- {
		go f.work()
	}
}

func (f *flushList) work() {
	var share [workerShare]due
	for {
		f.mu.Lock()
		n := f.due.PopInto(share[:])
		if n == 0 {
			f.workers--
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		for _, d := range share[:n] {
			d.link.session.Prefetch()
		}
		written := 0
		for _, d := range share[:n] {
			written += d.link.write(d.first)
		}
		share[0].link.session.engine.account(-written)
	}
}

// Batch collects the sessions that a fan-out has queued a message for, and then
// writes to them: to a few in the calling goroutine, to many by the flush
// workers. The zero value is ready to use. It is not safe for concurrent use.
// Flush must follow the last Queue.
type Batch struct {
	due        [2 * workerShare]due
	n          int
	handed     bool // some links were handed to the flush list
	overflowed []*Session

	engine          *Engine
	messages, bytes uint64
	waiting         int // bytes to be added to the total
}

// count counts a message that was queued. The engine's counters are shared by
// all cores, so they are updated once for each batch.
func (b *Batch) count(e *Engine, m *Message) {
	b.engine = e
	b.messages++
	b.bytes += uint64(m.Size())
}

// writtenByCaller is the number of links that a fan-out writes to in its own
// goroutine.
const writtenByCaller = 4

func (b *Batch) add(d due) {
	if b.n == len(b.due) {
		b.handToWorkers(false)
	}
	b.due[b.n] = d
	b.n++
}

func (b *Batch) handToWorkers(start bool) {
	b.due[0].link.session.engine.flush.add(b.due[:b.n], start)
	b.n = 0
	b.handed = true
}

// Flush writes the messages that were queued with the batch, or leaves it to
// the flush workers. It closes the sessions whose queue was full.
func (b *Batch) Flush() {
	if b.engine != nil {
		b.engine.counters.messagesOut.Add(b.messages)
		b.engine.counters.bytesOut.Add(b.bytes)
		b.engine.account(b.waiting)
	}
	if b.handed || b.n > writtenByCaller {
		b.handToWorkers(true)
		b.handed = false
	}
	written := 0
	for _, d := range b.due[:b.n] {
		written += d.link.write(d.first)
	}
	if b.engine != nil {
		b.engine.account(-written)
	}
	b.n = 0
	b.engine, b.messages, b.bytes, b.waiting = nil, 0, 0, 0
	if n := len(b.overflowed); n > 0 {
		b.overflowed[0].engine.warnQueueFull(n)
	}
	for _, s := range b.overflowed {
		s.end(QueueOverflow, endBroken, websocket.StatusPolicy)
	}
	b.overflowed = nil
}
