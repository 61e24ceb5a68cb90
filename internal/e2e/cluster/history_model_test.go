package cluster

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

	calls      []*call
	deliveries []delivery
}

// A callKind is what a call does.
type callKind string

const (
	change        callKind = "change"
	revokeUser    callKind = "revoke the user"
	revokeSession callKind = "revoke the session"
)

// call is a call of LogIn, LogOut, Rebind or Revoke.
type call struct {
	kind     callKind
	browser  int
	from, to string // the sessions of a change; equal if it is in place
	user     string // after the change, or who is revoked
	node     int
	begin    moment
	end      moment // zero if the call has not returned
	ok       bool   // it has returned nil
}

func (c *call) inPlace() bool { return c.kind == change && c.from == c.to }
func (c *call) moves() bool   { return c.kind == change && c.from != c.to }

// knownAt reports whether all nodes know a call.
func (c *call) knownAt(stamp int) bool { return c.ok && c.end.stamp != 0 && c.end.stamp < stamp }

// before reports whether the clock of c is earlier than that of d. A call that
// has returned nil has told all nodes its clock. The clocks of other calls
// follow the time, apart from some nanoseconds.
func (c *call) before(d *call) bool {
	return c.end.stamp != 0 && c.end.stamp < d.begin.stamp && (c.ok || d.begin.at-c.end.at > time.Microsecond)
}

// moment is a stamp and the time since the beginning.
type moment struct {
	stamp int
	at    time.Duration
}

// emission is an event with a unique id.
type emission struct {
	id      int
	users   []string // the addressed users
	anyUser bool     // every user is addressed
	session string   // the addressed session; empty: users are
	node    int
	begin   int // the stamp at which the call began
	// away: the node did not belong to the cluster, or could not reach it. Its
	// own connections get the event, although changes on other nodes may not be
	// known there.
	away bool
}

// link is a connection of a browser.
type link struct {
	id      int
	browser int
	node    int
	session string // of its cookies
	opened  int    // when the handshake had been answered
	// follows: the client proves to which browser it belongs. A client that
	// does not never becomes a user that it was not.
	follows bool
}

// delivery is an event that has arrived at a client.
type delivery struct {
	*emission
	link *link
	at   int // when it arrived
	// queued is a stamp before the event was queued for the client: that of its
	// emission or, if it is later, of what the server has queued for the same
	// client before.
	queued int
}

// violations describes the deliveries that the promises forbid.
func (h *history) violations() (found []string) {
	type receipt struct{ id, link int }
	seen := make(map[receipt]bool)
	for i := range h.deliveries {
		d := &h.deliveries[i]
		key := receipt{d.id, d.link.id}
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

func (h *history) allowed(d *delivery) bool {
	if d.away && d.node == d.link.node {
		return true
	}
	if d.session != "" {
		return h.ownsSession(d.link.browser, d.session, d.at) && !h.isDead(d.link.browser, d.session, d.queued)
	}
	return slices.ContainsFunc(h.calls, func(c *call) bool {
		return c.kind == change && c.browser == d.link.browser && c.user != "" &&
			(d.anyUser || slices.Contains(d.users, c.user)) && h.couldBe(c, d)
	})
}

// couldBe reports whether a connection may have had the user of a change when a
// delivery was queued for it.
func (h *history) couldBe(c *call, d *delivery) bool {
	return c.begin.stamp < d.at && (d.link.follows || h.beganAs(d.link, c.user)) &&
		!h.isDead(c.browser, c.to, d.queued) && !h.hasLostUser(c, d)
}

// beganAs reports whether the handshake of a connection may have had a user.
func (h *history) beganAs(l *link, user string) bool {
	return slices.ContainsFunc(h.calls, func(c *call) bool {
		return c.kind == change && c.to == l.session && c.user == user && c.begin.stamp < l.opened
	})
}

// hasLostUser reports whether the user of a change was certainly taken from its
// session before a delivery was queued.
func (h *history) hasLostUser(c *call, d *delivery) bool {
	return slices.ContainsFunc(h.calls, func(l *call) bool {
		switch {
		case l == c || !l.knownAt(d.queued) || !c.before(l):
			return false
		case l.kind == revokeUser:
			return l.user == c.user && (h.userOfCookies || d.link.opened < l.begin.stamp)
		}
		return l.inPlace() && l.to == c.to && l.user != c.user
	})
}

// creation returns the change that began a session, nil if the browser had the
// session from the beginning.
func (h *history) creation(session string) *call {
	i := slices.IndexFunc(h.calls, func(c *call) bool { return c.moves() && c.to == session })
	if i < 0 {
		return nil
	}
	return h.calls[i]
}

func firstSession(browser int) string { return fmt.Sprintf("b%d", browser) }

func (h *history) ownsSession(browser int, session string, at int) bool {
	c := h.creation(session)
	if c == nil {
		return session == firstSession(browser)
	}
	return c.browser == browser && c.begin.stamp < at
}

// isDead reports whether all nodes know that a session was given up or revoked.
//
// The known changes connect sessions. Those that are connected form a chain in
// the order of the clocks, so a session is given up if one of their changes is
// later than that which began the session.
func (h *history) isDead(browser int, session string, stamp int) bool {
	var known []*call
	for _, c := range h.calls {
		switch {
		case !c.knownAt(stamp):
		case c.kind == revokeSession && c.from == session:
			return true
		case c.moves() && c.browser == browser:
			known = append(known, c)
		}
	}
	connected := map[string]bool{session: true}
	for grown := true; grown; {
		grown = false
		for _, c := range known {
			if connected[c.from] != connected[c.to] {
				connected[c.from], connected[c.to], grown = true, true, true
			}
		}
	}
	began := h.creation(session)
	return slices.ContainsFunc(known, func(c *call) bool {
		return connected[c.from] && c != began && (c.from == session || began == nil || began.before(c))
	})
}

func (d *delivery) String() string {
	to := fmt.Sprintf("users %v", d.users)
	if d.anyUser {
		to = "all users"
	} else if d.session != "" {
		to = "session " + d.session
	}
	return fmt.Sprintf("event %d to %s, emitted on node %d from %d, queued after %d, arrived at %d at connection %d of browser %d "+
		"(node %d, session %s, opened %d, follows %t)",
		d.id, to, d.node, d.begin, d.queued, d.at, d.link.id, d.link.browser, d.link.node, d.link.session, d.link.opened, d.link.follows)
}

// story has the calls that a delivery depends on.
func (h *history) story(d *delivery) (text string) {
	for _, c := range h.calls {
		if c.browser == d.link.browser || c.kind == revokeUser {
			text += "  " + c.String() + "\n"
		}
	}
	return text
}

func (c *call) String() string {
	result := "error"
	switch {
	case c.end.stamp == 0:
		result = "not returned"
	case c.ok:
		result = "nil"
	}
	return fmt.Sprintf("%d-%d (%v-%v) node %d, browser %d: %s %s -> %s, user %q: %s", c.begin.stamp, c.end.stamp,
		c.begin.at, c.end.at, c.node, c.browser, c.kind, c.from, c.to, c.user, result)
}
