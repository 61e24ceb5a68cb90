package engineio

import "github.com/mojosocket/mojo/internal/fifo"

// outQueue holds the messages that are queued for one client, oldest first. It
// is not safe for concurrent use.
type outQueue struct {
	queued   int                  // messages that are not nil; the first field, so that it is in the cache line of the session
	messages fifo.Queue[*Message] // nil for messages that were replaced
	pushed   int                  // number of messages that were pushed since the queue was last empty
	latest   map[latestKey]int    // the value of pushed when the message of a key was pushed
}

// latestKey is the key under which a later message replaces an earlier one.
type latestKey struct {
	owner any
	key   string
}

func (q *outQueue) len() int { return q.queued }

func (q *outQueue) push(m *Message) {
	q.messages.Push(m)
	q.pushed++
	q.queued++
}

// at returns the message at an index that find has returned.
func (q *outQueue) at(i int) *Message { return *q.messages.At(i) }

// first returns the oldest message. The queue must not be empty.
func (q *outQueue) first() *Message { return q.at(0) }

// pop removes the oldest message and returns it. The queue must not be empty.
func (q *outQueue) pop() *Message {
	m := q.messages.Pop()
	q.queued--
	if q.queued == 0 || q.queued < q.messages.Len() {
		q.trim()
	}
	return m
}

// drop removes a message from the middle. A nil message stays in its place
// until it is the first.
func (q *outQueue) drop(i int) {
	*q.messages.At(i) = nil
	q.queued--
	q.trim()
}

// trim removes nil messages from the front.
func (q *outQueue) trim() {
	for q.messages.Len() > 0 && q.first() == nil {
		q.messages.Pop()
	}
	if q.queued == 0 {
		q.pushed, q.latest = 0, nil
	}
}

// pushLatest pushes a message and removes the one of the same key that is still
// queued. The new message goes to the end of the queue and not to the place of
// the old one: the messages between them were sent before it.
func (q *outQueue) pushLatest(key latestKey, m *Message) {
	if i, ok := q.find(key); ok {
		q.drop(i)
	}
	if q.latest == nil {
		q.latest = make(map[latestKey]int)
	}
	const slack = 64
	if len(q.latest) > 2*q.queued+slack {
		for key := range q.latest {
			if _, ok := q.find(key); !ok { // the message was sent
				delete(q.latest, key)
			}
		}
	}
	q.latest[key] = q.pushed
	q.push(m)
}

// find returns the index of the queued message of a key.
func (q *outQueue) find(key latestKey) (i int, ok bool) {
	at, ok := q.latest[key]
	i = at - (q.pushed - q.messages.Len())
	return i, ok && i >= 0
}
