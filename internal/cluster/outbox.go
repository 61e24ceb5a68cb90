package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/cluster/seal"
)

// outbox has the messages that wait to be published. One goroutine publishes
// them, in their order.
type outbox struct {
	limit int // bytes
	wake  chan struct{}
	mu    sync.Mutex
	outboxByMu
}

// outboxByMu is guarded by outbox.mu.
type outboxByMu struct {
	queue  []outgoing
	size   int
	down   bool // nothing is kept for later
	lost   uint64
	sealer *seal.Sealer // with which the messages from here on are sealed
}

// outgoing is a message to be published: an event or command for every node, or
// bytes to be sealed.
type outgoing struct {
	event   *cluster.Event
	command *cluster.Command
	plain   []byte
	to      string
	sealer  *seal.Sealer
	done    chan struct{} // if it is set, there is no message: it is closed when those before have been published
	// ask is called in its turn, or with an error in place of it. There is no
	// message if it is set. askSize is how many bytes it keeps.
	ask     func(lost error)
	askSize int
}

// overhead is added to the size of each message, for what is kept with it.
const overhead = 200

func (o *outgoing) size() int {
	size := overhead + len(o.plain) + o.askSize
	if o.event != nil {
		size += len(o.event.Data)
		for _, a := range o.event.Attachments {
			size += len(a)
		}
	}
	return size
}

func newOutbox(limit int, s *seal.Sealer) *outbox {
	o := &outbox{limit: limit, wake: make(chan struct{}, 1)}
	o.sealer = s
	return o
}

// setDown says whether messages can be published now. Those that wait are
// dropped when they cannot.
func (o *outbox) setDown(down bool) {
	o.mu.Lock()
	o.down = down
	var dropped []outgoing
	if down {
		o.lost += uint64(len(o.queue))
		dropped = o.queue
		o.queue, o.size = nil, 0
	}
	o.mu.Unlock()
	for i := range dropped {
		if ask := dropped[i].ask; ask != nil {
			ask(ErrDown)
		}
	}
}

// setSealer makes the messages that are put from now on sealed by s.
func (o *outbox) setSealer(s *seal.Sealer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sealer = s
}

// put queues messages, all of them or, if there is no room or the link is down,
// none. There is more room for what the nodes tell each other than for events,
// so that events do not make this node look dead.
func (o *outbox) put(messages ...outgoing) (queued bool) { return o.putWithin(2*o.limit, messages) }

// putEvent is put for events.
func (o *outbox) putEvent(messages ...outgoing) (queued bool) { return o.putWithin(o.limit, messages) }

func (o *outbox) putWithin(limit int, messages []outgoing) (queued bool) {
	size := 0
	for i := range messages {
		size += messages[i].size()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down || o.size > 0 && o.size+size > limit {
		o.lost += uint64(len(messages))
		return false
	}
	for i := range messages {
		messages[i].sealer = o.sealer
	}
	o.queue = append(o.queue, messages...)
	o.size += size
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return true
}

// stats returns how many bytes wait, and how many messages were lost.
func (o *outbox) stats() (size int, lost uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size, o.lost
}

// mostAtOnce is how many messages are published at a time.
const mostAtOnce = 256

// take returns the next messages, sealed, and the channels to be closed when
// they have been published; or the next question.
func (o *outbox) take() (messages []cluster.Message, done []chan struct{}, ask func(error)) {
	o.mu.Lock()
	n := min(len(o.queue), mostAtOnce)
	if i := slices.IndexFunc(o.queue[:n], func(m outgoing) bool { return m.ask != nil }); i >= 0 {
		n = max(i, 1)
	}
	next := o.queue[:n:n]
	o.queue = o.queue[n:]
	if len(o.queue) == 0 {
		o.queue = nil
	}
	for i := range next {
		o.size -= next[i].size()
	}
	o.mu.Unlock()
	messages = make([]cluster.Message, 0, n)
	for i := range next {
		switch m := &next[i]; {
		case m.ask != nil:
			ask = m.ask
		case m.done != nil:
			done = append(done, m.done)
		case m.plain != nil:
			messages = append(messages, cluster.Message{Control: m.sealer.Seal(m.to, m.plain), To: m.to})
		default:
			messages = append(messages, cluster.Message{Event: m.event, Command: m.command})
		}
	}
	return messages, done, ask
}

// run publishes messages until ctx ends.
func (o *outbox) run(ctx context.Context, link cluster.Link) {
	for ctx.Err() == nil {
		messages, done, ask := o.take()
		if len(messages) > 0 {
			if err := link.Publish(ctx, messages); err != nil {
				o.mu.Lock()
				o.lost += uint64(len(messages))
				o.mu.Unlock()
			}
		}
		for _, published := range done {
			close(published)
		}
		if ask != nil {
			ask(nil)
		}
		if len(messages)+len(done) > 0 || ask != nil {
			continue
		}
		select {
		case <-o.wake:
		case <-ctx.Done():
		}
	}
}

// drain waits until what was put before was published, but no longer than d.
func (o *outbox) drain(d time.Duration) {
	if d == 0 {
		return
	}
	published := make(chan struct{})
	if !o.put(outgoing{done: published}) {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-published:
	case <-timer.C:
	}
}
