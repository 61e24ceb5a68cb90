package mojonats

import (
	"sync"

	"github.com/nats-io/nats.go"
)

// inbox has the messages that a node has not taken yet, up to a limit.
type inbox struct {
	limit int
	wake  chan struct{} // has an element if there may be something

	mu      sync.Mutex
	waiting []*nats.Msg // a nil stands for messages that were lost
	size    int         // of all that was pushed and not released
}

// overhead is added to the length of each message, for what is kept with it.
const overhead = 256

func sizeOf(m *nats.Msg) int { return len(m.Data) + len(m.Subject) + overhead }

func newInbox(limit int) *inbox { return &inbox{limit: limit, wake: make(chan struct{}, 1)} }

// push adds a message, or notes that it was lost. A large one has room in an
// empty inbox.
func (i *inbox) push(m *nats.Msg) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if size := sizeOf(m); i.size == 0 || i.size+size <= i.limit {
		i.size += size
		i.waiting = append(i.waiting, m)
	} else {
		i.loseLocked()
	}
	i.notify()
}

// lose notes that messages were lost.
func (i *inbox) lose() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.loseLocked()
	i.notify()
}

// loseLocked is lose. mu must be held.
func (i *inbox) loseLocked() {
	if n := len(i.waiting); n == 0 || i.waiting[n-1] != nil {
		i.waiting = append(i.waiting, nil)
	}
}

func (i *inbox) notify() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// take returns all messages. Each one counts until it is released.
func (i *inbox) take() []*nats.Msg {
	i.mu.Lock()
	defer i.mu.Unlock()
	taken := i.waiting
	i.waiting = nil
	return taken
}

func (i *inbox) release(m *nats.Msg) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.size -= sizeOf(m)
}
