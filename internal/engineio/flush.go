package engineio

import (
	"runtime"
	"sync"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
	"github.com/mojosocket/mojo/internal/fifo"
)

// flushList is the links that have something to write, in the order in which
// they were added. Workers write to them, and exist only while the list is not
// empty. The messages that are queued for a link while it is in the list are
// written together.
type flushList struct {
	mu      sync.Mutex // guards the fields below
	due     fifo.Queue[due]
	workers int
}

// due is a link that has to be written to, and its first message. If nothing is
// queued for a link, a message does not pass through the queue, and counts as
// being written. In a fan-out to many clients, each queue would be one more
// cache line to load.
type due struct {
	link  *link
	first *Message // nil: write the queued messages
}

// workerShare is the number of links that a worker takes at a time.
const workerShare = 32

// earlyStart is the number of links in the list at which workers start before
// the fan-out ends.
const earlyStart = 1 << 10

// maxWorkers leaves half of the cores to the goroutines that send. The messages
// that they queue meanwhile are written together with earlier ones, so there
// are fewer writes.
func maxWorkers() int { return (runtime.GOMAXPROCS(0) + 1) / 2 }

// add appends links to the list. If start is false, a later call of the same
// fan-out starts the workers, unless the list is long: on another processor,
// the workers would load the cache lines of the clients that the fan-out uses
// next.
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
// writes to them: to a few in the calling goroutine, to many in the flush
// workers. The zero value is ready to use. A Batch is not safe for concurrent
// use. Flush must be called after the last Queue.
type Batch struct {
	due        [2 * workerShare]due
	n          int
	handed     bool // some links were added to the flush list
	overflowed []*Session

	engine          *Engine
	messages, bytes uint64
	uncounted       int // queued bytes that Flush adds to the total
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

// Flush writes the messages that were queued with the batch, or makes the flush
// workers write them. It closes the sessions whose queue was full.
func (b *Batch) Flush() {
	if b.engine != nil {
		b.engine.counters.messagesOut.Add(b.messages)
		b.engine.counters.bytesOut.Add(b.bytes)
		b.engine.account(b.uncounted)
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
	b.engine, b.messages, b.bytes, b.uncounted = nil, 0, 0, 0
	if n := len(b.overflowed); n > 0 {
		b.overflowed[0].engine.warnQueueFull(n)
	}
	for _, s := range b.overflowed {
		s.end(QueueOverflow, endBroken, websocket.StatusPolicy)
	}
	b.overflowed = nil
}
