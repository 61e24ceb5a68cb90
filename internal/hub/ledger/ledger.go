// Package ledger lists what is not valid any more: session ids that were given
// up or revoked, and the logins that a user made before some moment. Package
// hub guards it.
package ledger

import (
	"container/list"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/command"
)

// entries lists ids, each up to the time at which its cookies have expired. It
// is bounded: the oldest are dropped.
type entries[T any] struct {
	byID  map[string]*list.Element
	order list.List // of *entry[T], oldest first
}

type entry[T any] struct {
	id    string
	until time.Time // zero: forever
	value T
}

// Max is how many ids of each kind are listed at most.
const Max = 1 << 16

func (e *entry[T]) expired(now time.Time) bool { return !e.until.IsZero() && now.After(e.until) }

// look returns what is listed for an id.
func (l *entries[T]) look(id string, now time.Time) (v T, listed bool) {
	e := l.find(id)
	if e == nil || e.expired(now) {
		return v, false
	}
	return e.value, true
}

func (l *entries[T]) find(id string) *entry[T] {
	if at, in := l.byID[id]; in {
		return at.Value.(*entry[T])
	}
	return nil
}

// note lists an id as the latest, or changes its entry.
func (l *entries[T]) note(id string, v T, until, now time.Time) {
	if l.byID == nil {
		l.byID = make(map[string]*list.Element)
	}
	if at, in := l.byID[id]; in {
		l.order.Remove(at)
	}
	l.byID[id] = l.order.PushBack(&entry[T]{id, until, v})
	for at := l.order.Front(); at != nil; at = l.order.Front() {
		oldest := at.Value.(*entry[T])
		if len(l.byID) <= Max && !oldest.expired(now) {
			return
		}
		l.order.Remove(at)
		delete(l.byID, oldest.id)
	}
}

// Ledger is what is not valid any more. Now must be set.
type Ledger struct {
	Now      func() time.Time
	sessions entries[Session] // by session id
	logins   entries[cutoff]  // by user id
}

// Session is the entry of a session id that opens nothing any more.
type Session struct {
	Since     time.Time
	Successor string // the session id that replaced it; empty if there is none
	Revoked   bool   // a handshake with it is refused; otherwise it is nobody's
}

// cutoff is a user whose logins up to a moment do not count any more.
type cutoff struct {
	since  time.Time
	exempt []string // sessions whose logins count
}

// Session returns the entry of a session id, if it is listed.
func (l *Ledger) Session(id string) (Session, bool) {
	if len(l.sessions.byID) == 0 { // nearly always; Hub.Admit has little room on the stack
		return Session{}, false
	}
	return l.sessions.look(id, l.Now())
}

// GiveUp lists a session id that another one, the successor, replaces. If it is
// listed already, GiveUp changes nothing and returns the entry.
func (l *Ledger) GiveUp(id, successor string, until time.Time) (before Session, listed bool) {
	now := l.Now()
	before, listed = l.sessions.look(id, now)
	if !listed {
		l.sessions.note(id, Session{Since: now, Successor: successor}, until, now)
	}
	return before, listed
}

// RevokeSession lists a session id as revoked.
func (l *Ledger) RevokeSession(id string, until time.Time) {
	now := l.Now()
	l.sessions.note(id, Session{Since: now, Revoked: true}, until, now)
}

// CutOff lists a user: logins that were signed before do not count, except those
// of the session `except`.
func (l *Ledger) CutOff(user, except string, until time.Time) {
	now := l.Now()
	c := cutoff{since: now}
	if except != "" {
		c.exempt = []string{except}
	}
	l.logins.note(user, c, until, now)
}

// Exempt makes a login count that is being made now, even if its cookie was
// written before a Revoke or in the same second.
func (l *Ledger) Exempt(id command.Identified) {
	proven := id.Proven
	if proven.IsZero() {
		proven = time.Unix(l.Now().Unix(), 0)
	}
	if id.Session != "" && !l.LoginCounts(id.Identity, proven) {
		e := l.logins.find(id.User)
		e.value.exempt = append(e.value.exempt, id.Session)
	}
}

// LoginCounts reports whether a login of this user that was proven at that
// time, in this session, counts.
func (l *Ledger) LoginCounts(id command.Identity, proven time.Time) bool {
	if len(l.logins.byID) == 0 {
		return true
	}
	c, listed := l.logins.look(id.User, l.Now())
	if !listed || proven.IsZero() || proven.After(c.since) {
		return true
	}
	return id.Session != "" && slices.Contains(c.exempt, id.Session)
}

// InPlace is the latest sessions that changed their identity and kept their id.
type InPlace struct {
	n      int // of all
	latest [64]string
}

// N is the number of changes so far.
func (p *InPlace) N() int { return p.n }

// Note notes a change.
func (p *InPlace) Note(session string) {
	p.latest[p.n%len(p.latest)] = session
	p.n++
}

// Since reports whether the session may be among those from the n-th change on.
func (p *InPlace) Since(n int, session string) bool {
	if p.n-n > len(p.latest) {
		return true
	}
	for ; n < p.n; n++ {
		if p.latest[n%len(p.latest)] == session {
			return true
		}
	}
	return false
}
