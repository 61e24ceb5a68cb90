package ledger

import (
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/command"
)

// Kind is the kind of an Entry.
type Kind uint8

// The kinds of entries.
const (
	GivenUp Kind = iota // a session id that was given up
	Revoked             // a session id that was revoked
	CutOff              // a user whose earlier logins are not valid any more
	Changed             // the latest Rebind that led to a session
)

// Entry is an entry of a ledger as a value without pointers, for another
// process and for later.
type Entry struct {
	Kind    Kind
	ID      string             // of the session or, for CutOff, of the user
	At      command.Clock      // of the command
	Until   time.Time          // zero: it does not expire
	To      command.Identified // GivenUp, Changed: the identity after the command
	Exempt  []string           // CutOff: sessions whose logins are valid
	InPlace bool               // Changed: the session had the id before
}

// Expired reports whether the entry is obsolete.
func (e *Entry) Expired(now time.Time) bool { return !e.Until.IsZero() && now.After(e.Until) }

// PortionSize is the number of entries that Walk.Next visits.
const PortionSize = 256

// Walk visits the entries of a Ledger a portion at a time. The Ledger may
// change between the portions.
type Walk struct {
	ledger                    *Ledger
	sessions, logins, changed *walk
}

// Walk begins a walk. Call End after it.
func (l *Ledger) Walk() *Walk {
	return &Walk{l, l.sessions.beginWalk(), l.logins.beginWalk(), l.changed.beginWalk()}
}

// End ends a walk.
func (w *Walk) End() {
	w.ledger.sessions.endWalk(w.sessions)
	w.ledger.logins.endWalk(w.logins)
	w.ledger.changed.endWalk(w.changed)
}

// Next appends the entries of a portion, and reports whether there are more.
// An entry that has changed since its portion is appended again.
func (w *Walk) Next(list []Entry) (_ []Entry, more bool) {
	l, now := w.ledger, w.ledger.Now()
	more = l.sessions.portion(w.sessions, PortionSize, now, func(e *entry[Retirement]) {
		if r := &e.value; !r.GivenUp.IsZero() {
			list = append(list, Entry{Kind: GivenUp, ID: e.id, At: r.GivenUp, Until: e.until, To: r.To})
		}
		if r := &e.value; !r.Revoked.IsZero() {
			list = append(list, Entry{Kind: Revoked, ID: e.id, At: r.Revoked, Until: e.until})
		}
	})
	if more {
		return list, true
	}
	more = l.logins.portion(w.logins, PortionSize, now, func(e *entry[cutoff]) {
		list = append(list, Entry{Kind: CutOff, ID: e.id, At: e.value.at, Until: e.until, Exempt: slices.Clone(e.value.exempt)})
	})
	if more {
		return list, true
	}
	more = l.changed.portion(w.changed, PortionSize, now, func(e *entry[Change]) {
		c := &e.value
		list = append(list, Entry{Kind: Changed, ID: e.id, At: c.At, Until: e.until, To: c.To, InPlace: c.InPlace})
	})
	return list, more
}
