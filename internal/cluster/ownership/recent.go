package ownership

import (
	"iter"
	"time"

	"github.com/mojosocket/mojo/internal/fifo"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

const (
	// recentTime covers the time from an earliest transition that a node may
	// not have told until the others notice its death.
	recentTime = 32 * time.Second

	// recentMax bounds the memory of recent transitions.
	recentMax = 1 << 18
)

// recent has the latest transitions of all keys. A member that dies may not
// have told them.
type recent struct {
	queue fifo.Queue[transition]
}

// transition is a transition that an owner tells.
type transition struct {
	key       presence.Key
	hash      uint64
	at        time.Time
	ownedFrom time.Time // when the owner became the owner, if that was later
}

// tellable returns the time from which the owner can tell it.
func (t transition) tellable() time.Time {
	if t.ownedFrom.After(t.at) {
		return t.ownedFrom
	}
	return t.at
}

func (r *recent) add(t transition, now time.Time) {
	r.queue.Push(t)
	for r.queue.Len() > recentMax || r.queue.At(0).tellable().Before(now.Add(-recentTime)) {
		r.queue.Pop()
	}
}

// since iterates over the transitions that the owners could tell at a time or
// later. Keys may repeat.
func (r *recent) since(t time.Time) iter.Seq[transition] {
	return func(yield func(transition) bool) {
		for i := range r.queue.Len() {
			if tr := *r.queue.At(i); !tr.tellable().Before(t) && !yield(tr) {
				return
			}
		}
	}
}
