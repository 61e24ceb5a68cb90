// Package ledger lists session ids that were given up or revoked, and users
// whose earlier logins are not valid any more. The caller must hold a lock.
package ledger

import (
	"container/list"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/command"
)

// entries lists ids. Each is removed when its cookies have expired. The number
// is bounded: the oldest entries are removed first.
type entries[T any] struct {
	byID  map[string]*list.Element
	order list.List // of *entry[T], oldest first
}

type entry[T any] struct {
	id    string
	until time.Time // zero: forever
	value T
}

// MaxEntries is the largest number of ids of each kind.
const MaxEntries = 1 << 16

func (e *entry[T]) expired(now time.Time) bool { return !e.until.IsZero() && now.After(e.until) }

// get returns the value of an id, if it is listed.
func (l *entries[T]) get(id string, now time.Time) (v T, listed bool) {
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

// add lists an id, or replaces its entry. The id becomes the newest.
func (l *entries[T]) add(id string, v T, until, now time.Time) {
	if l.byID == nil {
		l.byID = make(map[string]*list.Element)
	}
	if at, in := l.byID[id]; in {
		l.order.Remove(at)
	}
	l.byID[id] = l.order.PushBack(&entry[T]{id, until, v})
	for at := l.order.Front(); at != nil; at = l.order.Front() {
		oldest := at.Value.(*entry[T])
		if len(l.byID) <= MaxEntries && !oldest.expired(now) {
			return
		}
		l.order.Remove(at)
		delete(l.byID, oldest.id)
	}
}

// Ledger is the list of all invalid session ids and logins. Now must be set.
type Ledger struct {
	Now      func() time.Time
	sessions entries[Session] // by session id
	logins   entries[cutoff]  // by user id
}

// Session is the entry of a session id that is not valid any more.
type Session struct {
	Since     time.Time
	Successor string // the session id that replaced it; empty if there is none
	Revoked   bool   // a handshake with the id is refused; if false, it has no identity
}

// cutoff is the entry of a user. Logins up to the time since are not valid any
// more.
type cutoff struct {
	since  time.Time
	exempt []string // sessions whose logins are valid
}

// Session returns the entry of a session id, if it is listed.
func (l *Ledger) Session(id string) (Session, bool) {
	if len(l.sessions.byID) == 0 { // the usual case, without a deep call: Hub.Admit must not grow its stack
		return Session{}, false
	}
	return l.sessions.get(id, l.Now())
}

// GiveUp lists a session id that the successor replaces. If the id is already
// listed, GiveUp changes nothing and returns the entry.
func (l *Ledger) GiveUp(id, successor string, until time.Time) (before Session, listed bool) {
	now := l.Now()
	before, listed = l.sessions.get(id, now)
	if !listed {
		l.sessions.add(id, Session{Since: now, Successor: successor}, until, now)
	}
	return before, listed
}

// RevokeSession lists a session id as revoked.
func (l *Ledger) RevokeSession(id string, until time.Time) {
	now := l.Now()
	l.sessions.add(id, Session{Since: now, Revoked: true}, until, now)
}

// CutOff lists a user. All logins of the user up to now are not valid any more,
// except those of the session `except`.
func (l *Ledger) CutOff(user, except string, until time.Time) {
	now := l.Now()
	c := cutoff{since: now}
	if except != "" {
		c.exempt = []string{except}
	}
	l.logins.add(user, c, until, now)
}

// Exempt makes a new login valid, even if its cookie was written before a
// Revoke or in the same second.
func (l *Ledger) Exempt(id command.Identified) {
	loginTime := id.LoginTime
	if loginTime.IsZero() {
		loginTime = time.Unix(l.Now().Unix(), 0)
	}
	if id.Session != "" && !l.LoginCounts(id.Identity, loginTime) {
		e := l.logins.find(id.User)
		e.value.exempt = append(e.value.exempt, id.Session)
	}
}

// LoginCounts reports whether a login of this user and session is valid. The
// argument loginTime is the time of the login.
func (l *Ledger) LoginCounts(id command.Identity, loginTime time.Time) bool {
	if len(l.logins.byID) == 0 {
		return true
	}
	c, listed := l.logins.get(id.User, l.Now())
	if !listed || loginTime.IsZero() || loginTime.After(c.since) {
		return true
	}
	return id.Session != "" && slices.Contains(c.exempt, id.Session)
}

// RecentChanges has the latest sessions whose identity changed in place: they
// kept their id.
type RecentChanges struct {
	count  int // the number of all changes
	latest [64]string
}

// Count returns the number of all changes.
func (p *RecentChanges) Count() int { return p.count }

// Add adds a change.
func (p *RecentChanges) Add(session string) {
	p.latest[p.count%len(p.latest)] = session
	p.count++
}

// Since reports whether the session may have changed after the first n changes.
func (p *RecentChanges) Since(n int, session string) bool {
	if p.count-n > len(p.latest) {
		return true
	}
	for ; n < p.count; n++ {
		if p.latest[n%len(p.latest)] == session {
			return true
		}
	}
	return false
}
