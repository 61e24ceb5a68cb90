package engineio

import (
	"runtime"
	"sync"

	"github.com/mojosocket/mojo/internal/fifo"
)

// flushList is the links with something waiting to be written, first come, first
// served. Workers write them, and live only while there are any. Messages that
// arrive for a link while it stands in the list leave together in one write.
type flushList struct {
	mu      sync.Mutex // guards what follows
	due     fifo.Queue[due]
	workers int
}

// due is a link that has to be written to, and what it gets first. A message for a
// link with nothing else to write does not pass through the queue, and counts as under
// way: of many clients in turn, the queue would be another line of the processor's cache
// to fetch for each.
type due struct {
	link  *link
	first *Message // nil: what waits in the queue
}

// workerShare is how many links a worker takes at a time.
const workerShare = 32

// helpedAt is how many links must wait for a fan-out to be helped before it has come to
// its end.
const helpedAt = 1 << 10

// maxWorkers leaves half of the cores to who emits: what they queue meanwhile joins
// what waits already, so that fewer writes carry more.
func maxWorkers() int { return (runtime.GOMAXPROCS(0) + 1) / 2 }

// add puts links in the list. Without begin, workers are left to a later call of the
// same fan-out, unless there is much to do by now: on another processor they would
// fetch the very clients that the fan-out is about to use, and be in its way.
func (f *flushList) add(links []due, begin bool) {
	f.mu.Lock()
	f.due.Push(links...)
	if !begin && f.due.Len() < helpedAt {
		f.mu.Unlock()
		return
	}
	start := (f.due.Len() + workerShare - 1) / workerShare
	start = min(start, maxWorkers()) - f.workers
	f.workers += max(start, 0)
	f.mu.Unlock()
	for ; start > 0; start-- {
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
		if n > 0 {
			share[0].link.session.engine.account(-written)
		}
	}
}

// Batch gathers the sessions that got a message in one fan-out and has them
// written: a few by the caller, many by the flush workers. The zero value is
// ready. It is for one goroutine; Flush must follow the last Queue.
type Batch struct {
	due        [2 * workerShare]due
	n          int
	handed     bool
	overflowed []*Session

	engine          *Engine
	messages, bytes uint64
	waiting         int // bytes that are to be added to the total
}

// count notes that a message was queued. The engine's counters are shared by all
// cores, so they are brought up to date once for each batch.
func (b *Batch) count(e *Engine, m *Message) {
	b.engine = e
	b.messages++
	b.bytes += uint64(m.Size())
}

// writtenByCaller is how many links a fan-out writes itself.
const writtenByCaller = 4

func (b *Batch) add(d due) {
	if b.n == len(b.due) {
		b.hand(false)
	}
	b.due[b.n] = d
	b.n++
}

func (b *Batch) hand(begin bool) {
	b.due[0].link.session.engine.flush.add(b.due[:b.n], begin)
	b.n = 0
	b.handed = true
}

// Flush has everything written that was queued through the batch, and closes the
// sessions whose queue was full.
func (b *Batch) Flush() {
	if b.engine != nil {
		b.engine.counters.messagesOut.Add(b.messages)
		b.engine.counters.bytesOut.Add(b.bytes)
		b.engine.account(b.waiting)
	}
	if b.handed || b.n > writtenByCaller {
		b.hand(true)
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
		s.end(QueueOverflow, brokenly, statusPolicy)
	}
	b.overflowed = nil
}
