package engineio

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats has figures of an engine: its present state, and counts since it was
// made.
type Stats struct {
	Open       int // sessions that exist
	WebSockets int // WebSocket connections, also those that probe or are being closed

	Opened  uint64            // sessions
	Closed  map[Reason]uint64 // sessions
	Refused map[Cause]uint64  // requests, also handshakes

	MessagesIn, BytesIn   uint64 // from clients; bytes of Engine.IO messages
	MessagesOut, BytesOut uint64 // queued for clients; bytes as framed for a WebSocket
	Dropped               uint64 // volatile messages to clients that were behind
	Replaced              uint64 // messages that a later message with the same key has replaced
	Queued                int64  // bytes that are queued for clients, see Options.MaxQueuedTotal
}

// Cause is why a request was refused.
type Cause string

// The causes that an engine gives.
const (
	CauseOrigin    Cause = "origin"
	CauseRequest   Cause = "bad request"
	CauseRevision  Cause = "protocol revision"
	CauseUnknown   Cause = "unknown session"
	CauseForbidden Cause = "forbidden"
	CauseFull      Cause = "too many connections"
	CauseClosed    Cause = "server closed"
)

// counters has the counts for Stats.
type counters struct {
	messagesIn, bytesIn   atomic.Uint64
	messagesOut, bytesOut atomic.Uint64
	dropped, replaced     atomic.Uint64
	queued                atomic.Int64 // the total: Session.queued of the sessions whose bytes count, without the bytes that a Batch has not added yet

	mu      sync.Mutex // guards the fields below
	opened  uint64
	closed  map[Reason]uint64
	refused map[Cause]uint64
}

// maxReasons is the number of reasons that have a count of their own. There may
// be more, because an application can define reasons.
const maxReasons = 100

// otherReason is the reason under which all other reasons are counted.
const otherReason Reason = "other"

func (c *counters) open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened++
}

func (c *counters) close(r Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == nil {
		c.closed = make(map[Reason]uint64)
	}
	if _, known := c.closed[r]; !known && len(c.closed) >= maxReasons {
		r = otherReason
	}
	c.closed[r]++
}

func (c *counters) refuse(cause Cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = make(map[Cause]uint64)
	}
	c.refused[cause]++
}

// Stats returns the figures.
func (e *Engine) Stats() Stats {
	c := &e.counters
	s := Stats{
		MessagesIn:  c.messagesIn.Load(),
		BytesIn:     c.bytesIn.Load(),
		MessagesOut: c.messagesOut.Load(),
		BytesOut:    c.bytesOut.Load(),
		Dropped:     c.dropped.Load(),
		Replaced:    c.replaced.Load(),
		Queued:      max(c.queued.Load(), 0),
	}
	c.mu.Lock()
	s.Opened, s.Closed, s.Refused = c.opened, maps.Clone(c.closed), maps.Clone(c.refused)
	c.mu.Unlock()
	e.mu.RLock()
	s.Open, s.WebSockets = len(e.sessions), len(e.links)
	e.mu.RUnlock()
	return s
}
