package hub

import (
	"time"

	"github.com/mojosocket/mojo/internal/command"
)

// hybridClock gives commands their clocks: at least the time of now, and later
// than every clock that it has given or observed.
type hybridClock struct {
	node string
	now  func() time.Time
	last int64
}

func (c *hybridClock) next() command.Clock {
	c.last = max(c.now().UnixNano(), c.last+1)
	return command.Clock{Time: c.last, Node: c.node}
}

func (c *hybridClock) observe(remote command.Clock) { c.last = max(c.last, remote.Time) }

// Clock returns the next value of the clock, for a command that other hubs
// apply, too. It is later than the clocks of all commands that this hub has
// applied.
func (h *Hub) Clock() command.Clock {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock.next()
}

// clockLocked returns the clock of a command, which is a new one if at is zero.
// It reports whether the command was made in this process.
func (h *Hub) clockLocked(at command.Clock) (_ command.Clock, own bool) {
	if at.IsZero() {
		return h.clock.next(), true
	}
	h.clock.observe(at)
	return at, at.Node == h.config.Node
}
