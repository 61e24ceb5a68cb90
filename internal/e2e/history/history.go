// Package history checks what several Servers of a cluster have done, as seen
// from outside, for events that have arrived where they must not. It knows
// nothing of the Servers: a test records calls and deliveries.
package history

import (
	"fmt"
	"slices"
	"time"
)

// history is what several Servers of a cluster have done in one run, as seen
// from outside. Its stamps are values of one counter: what has a lower stamp
// was before.
//
// The sessions of a browser form a tree: each change leads from a session that
// the browser had to another one, or stays in the session (in place). The
// Servers promise that of all changes in a tree, within 30 seconds, the latest
// one counts, on each node that knows them. A change is known on all nodes when
// its call has returned nil. What returned an error may be known anywhere, or
// nowhere, and proves nothing.
type history struct {
	// userOfCookies: a login is part of the browser's cookies. Otherwise a site
	// with a session store decides, and Revoke of a user does not end what a
	// handshake has looked up before.
	userOfCookies bool

	calls      []*Call
	deliveries []Delivery
}

// A Kind is what a call does.
type Kind string

const (
	Change        Kind = "change"
	RevokeUser    Kind = "revoke the user"
	RevokeSession Kind = "revoke the session"
)

// Call is a call of LogIn, LogOut, Rebind or Revoke.
type Call struct {
	Kind     Kind
	Browser  int
	From, To string // the sessions of a change; equal if it is in place
	User     string // after the change, or who is revoked
	Node     int
	Begin    Moment
	End      Moment // zero if the call has not returned
	OK       bool   // it has returned nil
}

// InPlace reports whether a change stays in its session.
func (c *Call) InPlace() bool { return c.Kind == Change && c.From == c.To }
func (c *Call) moves() bool   { return c.Kind == Change && c.From != c.To }

// knownAt reports whether all nodes know a call.
func (c *Call) knownAt(stamp int) bool { return c.OK && c.End.Stamp != 0 && c.End.Stamp < stamp }

// before reports whether the clock of c is earlier than that of d. A call that
// has returned nil has told all nodes its clock. The clocks of other calls
// follow the time, apart from some nanoseconds.
func (c *Call) before(d *Call) bool {
	return c.End.Stamp != 0 && c.End.Stamp < d.Begin.Stamp && (c.OK || d.Begin.At-c.End.At > time.Microsecond)
}

// Moment is a stamp and the time since the beginning.
type Moment struct {
	Stamp int
	At    time.Duration
}

// Emission is an event with a unique id.
type Emission struct {
	ID      int
	Users   []string // the addressed users
	AnyUser bool     // every user is addressed
	Session string   // the addressed session; empty: users are
	Node    int
	Begin   int // the stamp at which the call began
	// Away: the node did not belong to the cluster, or could not reach it. Its
	// own connections get the event, although changes on other nodes may not be
	// known there.
	Away bool
}

// Link is a connection of a browser.
type Link struct {
	ID      int
	Browser int
	Node    int
	Session string // of its cookies
	Opened  int    // when the handshake had been answered
	// Follows: the client proves to which browser it belongs. A client that
	// does not never becomes a user that it was not.
	Follows bool
}

// Delivery is an event that has arrived at a client.
type Delivery struct {
	*Emission
	Link *Link
	At   int // when it arrived
	// Queued is a stamp before the event was queued for the client: that of its
	// emission or, if it is later, of what the server has queued for the same
	// client before.
	Queued int
}

// violations describes the deliveries that the promises forbid.
func (h *history) violations() (found []string) {
	type receipt struct{ id, link int }
	seen := make(map[receipt]bool)
	for i := range h.deliveries {
		d := &h.deliveries[i]
		key := receipt{d.ID, d.Link.ID}
		if seen[key] {
			found = append(found, fmt.Sprintf("doubled: %s", d))
		}
		seen[key] = true
		if !h.allowed(d) {
			found = append(found, fmt.Sprintf("forbidden: %s\n%s", d, h.story(d)))
		}
	}
	return found
}

func (h *history) allowed(d *Delivery) bool {
	if d.Away && d.Node == d.Link.Node {
		return true
	}
	if d.Session != "" {
		return h.ownsSession(d.Link.Browser, d.Session, d.At) && !h.isDead(d.Link.Browser, d.Session, d.Queued)
	}
	return slices.ContainsFunc(h.calls, func(c *Call) bool {
		return c.Kind == Change && c.Browser == d.Link.Browser && c.User != "" &&
			(d.AnyUser || slices.Contains(d.Users, c.User)) && h.couldBe(c, d)
	})
}

// couldBe reports whether a connection may have had the user of a change when a
// delivery was queued for it.
func (h *history) couldBe(c *Call, d *Delivery) bool {
	return c.Begin.Stamp < d.At && (d.Link.Follows || h.beganAs(d.Link, c.User)) &&
		!h.isDead(c.Browser, c.To, d.Queued) && !h.hasLostUser(c, d)
}

// beganAs reports whether the handshake of a connection may have had a user.
func (h *history) beganAs(l *Link, user string) bool {
	return slices.ContainsFunc(h.calls, func(c *Call) bool {
		return c.Kind == Change && c.To == l.Session && c.User == user && c.Begin.Stamp < l.Opened
	})
}

// hasLostUser reports whether the user of a change was certainly taken from its
// session before a delivery was queued.
func (h *history) hasLostUser(c *Call, d *Delivery) bool {
	return slices.ContainsFunc(h.calls, func(l *Call) bool {
		switch {
		case l == c || !l.knownAt(d.Queued) || !c.before(l):
			return false
		case l.Kind == RevokeUser:
			return l.User == c.User && (h.userOfCookies || d.Link.Opened < l.Begin.Stamp)
		}
		return l.InPlace() && l.To == c.To && l.User != c.User
	})
}

// creation returns the change that began a session, nil if the browser had the
// session from the beginning.
func (h *history) creation(session string) *Call {
	i := slices.IndexFunc(h.calls, func(c *Call) bool { return c.moves() && c.To == session })
	if i < 0 {
		return nil
	}
	return h.calls[i]
}

func FirstSession(browser int) string { return fmt.Sprintf("b%d", browser) }

func (h *history) ownsSession(browser int, session string, at int) bool {
	c := h.creation(session)
	if c == nil {
		return session == FirstSession(browser)
	}
	return c.Browser == browser && c.Begin.Stamp < at
}

// isDead reports whether all nodes know that a session was given up or revoked.
//
// The known changes connect sessions. Those that are connected form a chain in
// the order of the clocks, so a session is given up if one of their changes is
// later than that which began the session.
func (h *history) isDead(browser int, session string, stamp int) bool {
	var known []*Call
	for _, c := range h.calls {
		switch {
		case !c.knownAt(stamp):
		case c.Kind == RevokeSession && c.From == session:
			return true
		case c.moves() && c.Browser == browser:
			known = append(known, c)
		}
	}
	connected := map[string]bool{session: true}
	for grown := true; grown; {
		grown = false
		for _, c := range known {
			if connected[c.From] != connected[c.To] {
				connected[c.From], connected[c.To], grown = true, true, true
			}
		}
	}
	began := h.creation(session)
	return slices.ContainsFunc(known, func(c *Call) bool {
		return connected[c.From] && c != began && (c.From == session || began == nil || began.before(c))
	})
}

func (d *Delivery) String() string {
	to := fmt.Sprintf("users %v", d.Users)
	if d.AnyUser {
		to = "all users"
	} else if d.Session != "" {
		to = "session " + d.Session
	}
	return fmt.Sprintf("event %d to %s, emitted on node %d from %d, queued after %d, arrived at %d at connection %d of browser %d "+
		"(node %d, session %s, opened %d, follows %t)",
		d.ID, to, d.Node, d.Begin, d.Queued, d.At, d.Link.ID, d.Link.Browser, d.Link.Node, d.Link.Session, d.Link.Opened, d.Link.Follows)
}

// story has the calls that a delivery depends on.
func (h *history) story(d *Delivery) (text string) {
	for _, c := range h.calls {
		if c.Browser == d.Link.Browser || c.Kind == RevokeUser {
			text += "  " + c.String() + "\n"
		}
	}
	return text
}

func (c *Call) String() string {
	result := "error"
	switch {
	case c.End.Stamp == 0:
		result = "not returned"
	case c.OK:
		result = "nil"
	}
	return fmt.Sprintf("%d-%d (%v-%v) node %d, browser %d: %s %s -> %s, user %q: %s", c.Begin.Stamp, c.End.Stamp,
		c.Begin.At, c.End.At, c.Node, c.Browser, c.Kind, c.From, c.To, c.User, result)
}
