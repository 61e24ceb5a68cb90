package engineio

import "runtime"

// behindBytes is the number of bytes that may be queued for a client that is
// not behind.
const behindBytes = 16 << 10

// isBehindLocked reports whether the client receives messages more slowly than
// they are sent. s.mu must be held.
func (s *Session) isBehindLocked() bool {
	if s.link != nil {
		return s.link.full || s.queued > behindBytes
	}
	return s.queue.len() > 0
}

// Delivery says what happens to a message for a client that is behind. The zero
// value queues it.
type Delivery struct {
	// Volatile drops the message.
	Volatile bool
	// Latest replaces the queued message that has the same owner and key.
	Latest bool
	Owner  any // a pointer
	Key    string
}

// Send queues m for the client and, if nothing else is being written, writes as
// much of it as the socket takes. If more than Options.MaxQueue bytes would be
// queued for the client, Send closes the session, and the error is
// ErrQueueFull. After the end of the session the error is ErrClosed.
func (s *Session) Send(m *Message) error {
	var b Batch
	err := s.Queue(m, Delivery{}, &b)
	b.Flush()
	return err
}

// Prefetch loads the cache line that Queue needs. In a fan-out to thousands of
// sessions no line is in the cache. If a few are prefetched together, they are
// loaded together, while each Queue alone would wait for its own line.
func (s *Session) Prefetch() { runtime.KeepAlive(s.engine) }

// Queue queues m like Send. But it is b.Flush that writes, or closes the
// session, so the caller of Queue may hold locks. The error is ErrBehind for a
// message that is dropped because it is volatile.
func (s *Session) Queue(m *Message, d Delivery, b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state > sessionOpen || s.overflowed {
		return ErrClosed
	}
	queued := int(s.queued)
	replaces := false
	key := latestKey{d.Owner, d.Key}
	if d.Latest {
		var i int
		if i, replaces = s.queue.find(key); replaces {
			queued -= s.queue.at(i).Size()
		}
	}
	queued += m.Size()
	isFull := queued > s.engine.opts.MaxQueue
	switch {
	case d.Volatile && (isFull || s.isBehindLocked()):
		s.engine.counters.dropped.Add(1)
		return ErrBehind
	case isFull:
		s.overflowLocked(b)
		return ErrQueueFull
	}
	more := queued - int(s.queued)
	s.queued = int32(queued)
	b.count(s.engine, m)
	if replaces {
		s.engine.counters.replaced.Add(1)
	}
	l := s.link
	if l != nil && !l.writing { // then nothing else is queued
		l.writing = true
		if s.progressAt != 0 {
			b.uncounted += more
		}
		b.add(due{l, m})
		return nil
	}
	switch {
	case s.progressAt != 0:
		b.uncounted += more
	case l == nil || !l.canTryWrite():
		b.uncounted += s.countInTotalLocked()
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

// overflowLocked makes Batch.Flush close the session. Later messages are not
// queued, so the client never gets a message that follows a missing one. s.mu
// must be held.
func (s *Session) overflowLocked(b *Batch) {
	s.overflowed = true
	b.overflowed = append(b.overflowed, s)
}

// Reserve counts n bytes, which the caller keeps for the client, as if they
// were queued. The errors are those of Queue.
func (s *Session) Reserve(n int, b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state > sessionOpen || s.overflowed {
		return ErrClosed
	}
	if int(s.queued)+n > s.engine.opts.MaxQueue {
		s.overflowLocked(b)
		return ErrQueueFull
	}
	b.engine = s.engine
	b.uncounted += s.countInTotalLocked() + n
	s.queued += int32(n)
	return nil
}

// Unreserve takes back n bytes that Reserve has counted.
func (s *Session) Unreserve(n int) {
	s.mu.Lock()
	n = s.unqueueLocked(n)
	s.mu.Unlock()
	s.engine.account(-n)
}

// countInTotalLocked makes the queued bytes of the session count in the total,
// until none are left. It returns the number of bytes that the caller must add
// to the total. s.mu must be held.
//
// Bytes that a worker will write to a socket that is not full do not count:
// they are written in a moment, and during a broadcast of a large message every
// client would seem to be behind. With TLS, only a write shows whether the
// socket is full. There, the bytes that are queued behind a write count, and
// those of a large write that takes long, see slowWrite.
func (s *Session) countInTotalLocked() int {
	if s.progressAt != 0 {
		return 0
	}
	s.progressAt = s.engine.nowMillis()
	return int(s.queued)
}

// unqueueLocked subtracts n from the queued bytes, or less if some were dropped
// meanwhile. It returns the number of bytes that counted in the total. s.mu
// must be held.
func (s *Session) unqueueLocked(n int) int {
	n = min(n, int(s.queued))
	s.queued -= int32(n)
	if s.progressAt == 0 {
		return 0
	}
	if s.queued == 0 {
		s.progressAt = 0
	}
	return n
}

// dropQueueLocked drops the queue. The bytes that are being written or reserved
// do not count as queued any more, either. It returns the number of bytes that
// counted in the total. The session must have ended or be about to end. s.mu
// must be held.
func (s *Session) dropQueueLocked() int {
	s.queue = outQueue{}
	return s.unqueueLocked(int(s.queued))
}

// progressLocked records that the client has taken some bytes. Within a long
// write, the client cannot answer a ping that is queued behind it, so it gets
// PingTimeout from now for its pong. s.mu must be held.
func (s *Session) progressLocked(withinWrite bool) {
	if s.progressAt != 0 {
		s.progressAt = s.engine.nowMillis()
	}
	if withinWrite && s.pongDue != 0 {
		s.pongDue = max(s.pongDue, s.engine.now()+s.engine.opts.PingTimeout)
	}
}
