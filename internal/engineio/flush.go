package engineio

import (
	"runtime"
	"sync"
)

// flushList is the links with something waiting to be written, first come, first
// served. Workers write them, and live only while there are any. Messages that
// arrive for a link while it stands in the list leave together in one write.
type flushList struct {
	mu      sync.Mutex // guards what follows
	links   []*link
	head    int
	workers int
}

// workerShare is how many links a worker takes at a time.
const workerShare = 32

// maxWorkers leaves half of the cores to who emits: what they queue meanwhile joins
// what waits already, so that fewer writes carry more.
func maxWorkers() int { return (runtime.GOMAXPROCS(0) + 1) / 2 }

func (f *flushList) add(links []*link) {
	f.mu.Lock()
	if f.head > len(f.links)/2 { // a list that is never quite empty would grow for ever
		n := copy(f.links, f.links[f.head:])
		clear(f.links[n:])
		f.links, f.head = f.links[:n], 0
	}
	f.links = append(f.links, links...)
	start := (len(f.links) - f.head + workerShare - 1) / workerShare
	start = min(start, maxWorkers()) - f.workers
	f.workers += max(start, 0)
	f.mu.Unlock()
	for ; start > 0; start-- {
		go f.work()
	}
}

func (f *flushList) work() {
	var share [workerShare]*link
	for {
		f.mu.Lock()
		n := copy(share[:], f.links[f.head:])
		clear(f.links[f.head : f.head+n])
		f.head += n
		if f.head == len(f.links) {
			f.links, f.head = f.links[:0], 0
		}
		if n == 0 {
			f.workers--
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		for _, l := range share[:n] {
			l.flush()
		}
	}
}

// Batch gathers the sessions that got a message in one fan-out and has them
// written: a few by the caller, many by the flush workers. The zero value is
// ready. It is for one goroutine; Flush must follow the last Queue.
type Batch struct {
	links      [2 * workerShare]*link
	n          int
	handed     bool
	overflowed []*Session

	engine          *Engine
	messages, bytes uint64
}

// count notes that a message was queued. The engine's counters are shared by all
// cores, so they are brought up to date once for each batch.
func (b *Batch) count(e *Engine, m *Message) {
	if m != pingMessage {
		b.engine = e
		b.messages++
		b.bytes += uint64(m.Size())
	}
}

// writtenByCaller is how many links a fan-out writes itself.
const writtenByCaller = 4

func (b *Batch) add(l *link) {
	if b.n == len(b.links) {
		b.hand()
	}
	b.links[b.n] = l
	b.n++
}

func (b *Batch) hand() {
	b.links[0].session.engine.flush.add(b.links[:b.n])
	b.n = 0
	b.handed = true
}

// Flush has everything written that was queued through the batch, and closes the
// sessions whose queue was full.
func (b *Batch) Flush() {
	if b.engine != nil {
		b.engine.counters.messagesOut.Add(b.messages)
		b.engine.counters.bytesOut.Add(b.bytes)
		b.engine, b.messages, b.bytes = nil, 0, 0
	}
	if b.n > writtenByCaller || b.handed && b.n > 0 {
		b.hand()
	}
	for _, l := range b.links[:b.n] {
		l.flush()
	}
	b.n = 0
	for _, s := range b.overflowed {
		s.end(QueueOverflow, brokenly, statusPolicy)
	}
	b.overflowed = nil
}

// Overflow has a session closed by Flush as one for which too much waits.
func (b *Batch) Overflow(s *Session) { b.overflowed = append(b.overflowed, s) }
