package hub

import "github.com/mojosocket/mojo/internal/command"

// step is a change of the identity of a connection. A command that arrives late
// needs to know where the connection was at the clock of the command. Hub.mu
// guards it.
type step struct {
	was   command.Identity // before the change; zero: it had a claim, or belongs to another browser
	since command.Clock    // when the connection came there; zero: not known
	at    command.Clock    // of the change, which is not earlier than since
	prev  *step            // the change before; nil if it is not known
}

// maxSteps is the number of changes that a connection remembers.
const maxSteps = 8

// addStepLocked remembers that a connection leaves an identity by a command
// with the clock at. It does nothing without Config.Node.
func (h *Hub) addStepLocked(c *Conn, was command.Identity, at command.Clock) {
	if h.trails == nil {
		return
	}
	since := h.sinceLocked(c, was)
	if at.Before(since) {
		at = since
	}
	oldest := &step{was, since, at, h.trails[c]}
	h.trails[c] = oldest
	for range maxSteps - 1 {
		if oldest = oldest.prev; oldest == nil {
			return
		}
	}
	oldest.prev = nil
}

// startTrailLocked remembers that a connection has proven a login with the
// clock at. What it was before does not matter any more.
func (h *Hub) startTrailLocked(c *Conn, at command.Clock) {
	if h.trails != nil {
		h.trails[c] = &step{at: at}
	}
}

// sinceLocked returns the clock at which a connection came to the identity id
// that it has now. For a connection that has not moved it is that of the latest
// Rebind that led to its session.
func (h *Hub) sinceLocked(c *Conn, id command.Identity) command.Clock {
	if latest := h.trails[c]; latest != nil {
		return latest.at
	}
	ch, _ := h.ledger.Changed(id.Session)
	return ch.At
}

// movedAfterLocked reports whether a connection has changed later than at.
func (h *Hub) movedAfterLocked(c *Conn, at command.Clock) bool {
	latest := h.trails[c]
	return latest != nil && at.Before(latest.at)
}

// identityAtLocked returns the identity that a connection had at a clock. The
// result is false if the connection came later.
func (h *Hub) identityAtLocked(c *Conn, at command.Clock) (id command.Identity, was bool) {
	id = c.Binding().Identity
	since := h.sinceLocked(c, id)
	for s := h.trails[c]; s != nil && at.Before(s.at); s = s.prev {
		id, since = s.was, s.since
	}
	return id, !at.Before(since)
}

// insertStepLocked remembers a change by a command that has arrived after the
// command of a later change. After it the connection has a claim, or belongs to
// the identity of the change.
func (h *Hub) insertStepLocked(c *Conn, l link, claims bool) {
	next := h.trails[c]
	if !l.at.Before(next.at) {
		return
	}
	for next.prev != nil && l.at.Before(next.prev.at) {
		next = next.prev
	}
	next.prev = &step{next.was, next.since, l.at, next.prev}
	next.was, next.since = l.to.Identity, l.at
	if claims {
		next.was = command.Identity{}
	}
}
