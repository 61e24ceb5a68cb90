package engineio

import "runtime"

// behindBytes is how much may wait for a client that is not yet behind.
const behindBytes = 16 << 10

// behind reports whether the client takes less than it is sent. It needs s.mu.
func (s *Session) behind() bool {
	if s.link != nil {
		return s.link.stuck || s.queued > behindBytes
	}
	return s.queue.len() > 0
}

// Delivery says what becomes of a message for a client that is behind. The zero
// value is one that has to arrive.
type Delivery struct {
	Volatile bool // it is dropped
	Latest   bool // it takes the place of one of the same owner and key that waits behind others
	Owner    any  // a pointer
	Key      string
}

// Send queues m for the client and, if nothing else is under way, writes it as
// far as the socket takes it. A client for which more than Options.MaxQueue would
// wait is closed instead. The error is ErrQueueFull then, ErrClosed after the end, or
// nil.
func (s *Session) Send(m *Message) error {
	var b Batch
	err := s.Queue(m, Delivery{}, &b)
	b.Flush()
	return err
}

// Prefetch reads the line of the processor's cache that Queue needs. Of many sessions in
// turn none is there: fetched a few at a time they come together, while the lock of
// each would wait for its own line and hold up the next one. It is of use for thousands.
func (s *Session) Prefetch() { runtime.KeepAlive(s.engine) }

// Queue is Send without the consequences: it only queues, and leaves what is to
// be written, or closed, to b. So the caller may hold locks.
func (s *Session) Queue(m *Message, d Delivery, b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state > open || s.overflowed {
		return ErrClosed
	}
	waiting := int(s.queued)
	replaces := false
	key := latestKey{d.Owner, d.Key}
	if d.Latest {
		var i int
		if i, replaces = s.queue.find(key); replaces {
			waiting -= s.queue.at(i).Size()
		}
	}
	waiting += m.Size()
	full := waiting > s.engine.opts.MaxQueue
	switch {
	case d.Volatile && (full || s.behind()):
		s.engine.counters.dropped.Add(1)
		return nil
	case full:
		s.overflowLocked(b)
		return ErrQueueFull
	}
	more := waiting - int(s.queued)
	s.queued = int32(waiting)
	b.count(s.engine, m)
	if replaces {
		s.engine.counters.replaced.Add(1)
	}
	l := s.link
	if l != nil && !l.writing { // so nothing else waits
		l.writing = true
		if s.since != 0 {
			b.waiting += more
		}
		b.add(due{l, m})
		return nil
	}
	switch {
	case s.since != 0:
		b.waiting += more
	case l == nil || !l.direct():
		b.waiting += s.countLocked()
	}
	if d.Latest {
		s.queue.pushLatest(key, m)
	} else {
		s.queue.push(m)
	}
	if l == nil && s.poll != nil {
		s.poll.signal()
	}
	return nil
}

// overflowLocked has Batch.Flush close the session. From here on nothing more is
// queued, or the client would get what comes behind a message that is missing. s.mu
// must be held.
func (s *Session) overflowLocked(b *Batch) {
	s.overflowed = true
	b.overflowed = append(b.overflowed, s)
}

// Reserve counts n bytes that the caller keeps for the client as if they waited in
// the queue. The errors are those of Queue.
func (s *Session) Reserve(n int, b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state > open || s.overflowed {
		return ErrClosed
	}
	if int(s.queued)+n > s.engine.opts.MaxQueue {
		s.overflowLocked(b)
		return ErrQueueFull
	}
	b.engine = s.engine
	b.waiting += s.countLocked() + n
	s.queued += int32(n)
	return nil
}

// countLocked has what waits for the session count in the total from here on, until
// nothing waits any more, and returns how many bytes that are. What waits for a worker
// to write it to a socket with room does not count: it is gone in a moment, and a
// broadcast of a large message must not look as if everybody was behind. Where only a
// write itself can tell whether there is room (TLS), what waits behind one counts, and a
// large one that takes long, see slowWrite. s.mu must be held.
func (s *Session) countLocked() int {
	if s.since != 0 {
		return 0
	}
	s.since = s.engine.moment()
	return int(s.queued)
}

// Unreserve takes back what Reserve counted.
func (s *Session) Unreserve(n int) {
	s.mu.Lock()
	n = s.unqueueLocked(n)
	s.mu.Unlock()
	s.engine.account(-n)
}

// unqueueLocked notes that n bytes wait no longer, unless they were dropped meanwhile,
// and returns how many of them counted in the total. s.mu must be held.
func (s *Session) unqueueLocked(n int) int {
	n = min(n, int(s.queued))
	s.queued -= int32(n)
	if s.since == 0 {
		return 0
	}
	if s.queued == 0 {
		s.since = 0
	}
	return n
}

// dropQueueLocked drops what waits, also for those that are about to write it or have
// reserved it, and returns how many bytes of that counted in the total. The session must
// be over or about to end, and s.mu must be held.
func (s *Session) dropQueueLocked() int {
	s.queue = outQueue{}
	return s.unqueueLocked(int(s.queued))
}

// progressLocked notes that the client has taken something. While that is part of a
// long write the client cannot answer a ping that stands behind it, so the pong has its
// whole time again. s.mu must be held.
func (s *Session) progressLocked(withinWrite bool) {
	if s.since != 0 {
		s.since = s.engine.moment()
	}
	if withinWrite && s.pongDue != 0 {
		s.pongDue = max(s.pongDue, s.engine.now()+s.engine.opts.PingTimeout)
	}
}
