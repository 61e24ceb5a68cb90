package engineio

// outQueue is what waits to leave, oldest first. It keeps a small array while
// empty, so that the next message does not allocate, and drops a large one.
type outQueue struct {
	messages []*Message
	head     int
}

const keptQueue = 16 // messages for which an empty queue keeps room

func (q *outQueue) len() int { return len(q.messages) - q.head }

func (q *outQueue) push(m *Message) {
	if len(q.messages) == cap(q.messages) && q.head > len(q.messages)/2 {
		// A queue that is never quite empty would grow for ever behind its head.
		n := copy(q.messages, q.messages[q.head:])
		clear(q.messages[n:])
		q.messages, q.head = q.messages[:n], 0
	}
	q.messages = append(q.messages, m)
}

func (q *outQueue) first() *Message { return q.messages[q.head] }

func (q *outQueue) pop() *Message {
	m := q.messages[q.head]
	q.messages[q.head] = nil
	q.head++
	switch {
	case q.head < len(q.messages):
	case cap(q.messages) > keptQueue:
		*q = outQueue{}
	default:
		q.messages, q.head = q.messages[:0], 0
	}
	return m
}

// behindBytes is how much may wait for a client that is not yet behind.
const behindBytes = 16 << 10

// behind reports whether the client takes less than it is sent. It needs s.mu.
func (s *Session) behind() bool {
	if s.link != nil {
		return s.link.stuck || s.queued > behindBytes
	}
	return s.queue.len() > 0
}

// Send queues m for the client and, if nothing else is under way, writes it as
// far as the socket takes it. A client for which more than Options.MaxQueue would
// wait is closed instead. The error is ErrClosed or nil.
func (s *Session) Send(m *Message) error {
	var b Batch
	err := s.Queue(m, false, &b)
	b.Flush()
	return err
}

// Queue is Send without the consequences: it only queues, and leaves what is to
// be written, or closed, to b. So the caller may hold locks. A volatile message
// is dropped if the client is behind.
func (s *Session) Queue(m *Message, volatile bool, b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := s.queued+m.Size() > s.engine.opts.MaxQueue
	switch {
	case s.state > open || s.overflowed:
		return ErrClosed
	case volatile && (full || s.behind()):
		return nil
	case full:
		// From here on nothing more is queued, or the client would get what comes
		// behind a message that is missing.
		s.overflowed = true
		b.Overflow(s)
		return ErrClosed
	}
	s.queue.push(m)
	s.queued += m.Size()
	switch l := s.link; {
	case l == nil:
		if s.poll != nil {
			s.poll.signal()
		}
	case !l.writing:
		l.writing = true
		b.add(l)
	}
	return nil
}
