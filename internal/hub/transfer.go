package hub

import (
	"slices"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

// Ledger returns the entries of the ledger that have not expired, for the hub
// of another process or for a later one. It does not hold the lock all the
// time. An entry that changes meanwhile may be in the list twice or as it was
// before, and one that is added may be missing.
func (h *Hub) Ledger() (entries []ledger.Entry) {
	h.mu.Lock()
	walk := h.ledger.Walk()
	h.mu.Unlock()
	for more := true; more; {
		entries, more = h.ledgerPortion(walk, entries)
	}
	return entries
}

func (h *Hub) ledgerPortion(walk *ledger.Walk, list []ledger.Entry) (_ []ledger.Entry, more bool) {
	list = slices.Grow(list, 2*ledger.PortionSize) // without the lock
	h.mu.Lock()
	defer h.mu.Unlock()
	list, more = walk.Next(list)
	if !more {
		walk.End()
	}
	return list, more
}

// Merge adds entries of another ledger. The result does not depend on the order
// of the entries and of the commands that this hub applies, and entries that it
// has already change nothing. It does not hold the lock all the time.
//
// Connections are outdated if their session id was given up, if their session
// has got another user, or if their login may not be valid any more. They end if
// the session that they have or claim was revoked, or if their login is not
// valid any more.
func (h *Hub) Merge(entries []ledger.Entry) (ef Effects) {
	for portion := range slices.Chunk(entries, ledger.PortionSize) {
		h.mergePortion(portion, &ef)
	}
	return ef
}

func (h *Hub) mergePortion(entries []ledger.Entry, ef *Effects) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.config.Now()
	for i := range entries {
		if e := &entries[i]; e.ID != "" && !e.At.IsZero() && !e.Expired(now) {
			h.clock.observe(e.At)
			h.mergeLocked(e, ef)
		}
	}
	h.journalLocked(false)
	work := h.workLocked()
	ef.Presence.Notify = ef.Presence.Notify || work.Notify
	ef.Presence.Changes = ef.Presence.Changes || work.Changes
	ef.Presence.EndGraceAfter = max(ef.Presence.EndGraceAfter, work.EndGraceAfter) // only one of them is set
}

// journalLocked returns what a command has added to the ledger. A command that
// was made in another process is in the journal of that one.
func (h *Hub) journalLocked(own bool) []ledger.Entry {
	entries := h.ledger.Journal.Take()
	if !own {
		return nil
	}
	return entries
}

func (h *Hub) mergeLocked(e *ledger.Entry, ef *Effects) {
	switch e.Kind {
	case ledger.GivenUp:
		r := rebinding{hub: h, merge: true}
		r.giveUpLocked(e.ID, link{to: e.To, at: e.At, until: e.Until}, true)
		ef.Outdated = append(ef.Outdated, r.effects.Outdated...)
		ef.Ended = append(ef.Ended, r.effects.Ended...)
	case ledger.Revoked:
		h.ledger.RevokeSession(e.ID, e.At, e.Until)
		ef.Ended = append(ef.Ended, h.endSessionLocked(e.ID, e.At)...)
	case ledger.CutOff:
		if h.ledger.CutOff(e.ID, e.Exempt, e.At, e.Until) {
			h.mergeCutOffLocked(e, ef)
		}
	case ledger.Changed:
		l := link{to: e.To, at: e.At, until: e.Until}
		switch {
		case e.ID != e.To.Session:
		case e.InPlace:
			r := rebinding{hub: h, merge: true}
			r.changeInPlaceLocked(l)
			ef.Outdated = append(ef.Outdated, r.effects.Outdated...)
		default:
			h.addChangeLocked(l, false)
		}
	}
}

// mergeCutOffLocked ends the connections of a user whose logins are not valid
// any more. Those are outdated whose login at that clock has an unknown time.
func (h *Hub) mergeCutOffLocked(e *ledger.Entry, ef *Effects) {
	var ended []*Conn
	for _, c := range h.connsLocked(command.Key{Kind: command.User, ID: e.ID}) {
		b := c.Binding()
		id, _ := h.identityAtLocked(c, e.At)
		switch {
		case id.User != e.ID || !h.ledger.IsCutOff(id, command.Clock{}):
		case b.LoginTime.IsZero() || h.movedAfterLocked(c, e.At):
			ef.Outdated = append(ef.Outdated, c)
		case !h.ledger.LoginCounts(b.Identity, b.LoginTime):
			ended = append(ended, c)
		}
	}
	h.removeAllLocked(ended)
	ef.Ended = append(ef.Ended, ended...)
}
