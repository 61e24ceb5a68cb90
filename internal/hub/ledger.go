package hub

import (
	"container/list"
	"slices"
	"time"
)

// ledger lists ids, each up to the time at which its cookies have expired. It is
// bounded: the oldest are dropped. Hub.mu guards it.
type ledger[T any] struct {
	entries map[string]*list.Element
	order   list.List // of *ledgerEntry[T], oldest first
}

type ledgerEntry[T any] struct {
	id    string
	until time.Time // zero: forever
	value T
}

// maxLedger is how many ids a ledger lists at most.
const maxLedger = 1 << 16

func (e *ledgerEntry[T]) expired(now time.Time) bool { return !e.until.IsZero() && now.After(e.until) }

// look returns what is listed for an id.
func (l *ledger[T]) look(id string, now time.Time) (v T, listed bool) {
	e := l.entry(id)
	if e == nil || e.expired(now) {
		return v, false
	}
	return e.value, true
}

func (l *ledger[T]) entry(id string) *ledgerEntry[T] {
	if at, in := l.entries[id]; in {
		return at.Value.(*ledgerEntry[T])
	}
	return nil
}

// note lists an id as the latest, or changes its entry.
func (l *ledger[T]) note(id string, v T, until, now time.Time) {
	if l.entries == nil {
		l.entries = make(map[string]*list.Element)
	}
	if at, in := l.entries[id]; in {
		l.order.Remove(at)
	}
	l.entries[id] = l.order.PushBack(&ledgerEntry[T]{id, until, v})
	for at := l.order.Front(); at != nil; at = l.order.Front() {
		oldest := at.Value.(*ledgerEntry[T])
		if len(l.entries) <= maxLedger && !oldest.expired(now) {
			return
		}
		l.order.Remove(at)
		delete(l.entries, oldest.id)
	}
}

// ledgers is what does not count any more. Hub.mu guards it.
type ledgers struct {
	now      func() time.Time
	sessions ledger[retiredSession] // by session id
	logins   ledger[loginCutoff]    // by user id
}

// retiredSession is a session id that opens nothing any more.
type retiredSession struct {
	since     time.Time
	successor string // the session id that took its place, if any did
	revoked   bool   // a handshake with it is refused; otherwise it is nobody's
}

// loginCutoff is a user whose logins up to a moment do not count any more.
type loginCutoff struct {
	since  time.Time
	exempt []string // sessions whose logins count all the same
}

func (l *ledgers) session(id string) (retiredSession, bool) { return l.sessions.look(id, l.now()) }

// giveUp lists a session id whose place another takes, unless it is listed, and
// returns the entry of before.
func (l *ledgers) giveUp(id, successor string, until time.Time) (before retiredSession, listed bool) {
	now := l.now()
	before, listed = l.sessions.look(id, now)
	if !listed {
		l.sessions.note(id, retiredSession{since: now, successor: successor}, until, now)
	}
	return before, listed
}

// revokeSession lists a session id as revoked.
func (l *ledgers) revokeSession(id string, until time.Time) {
	now := l.now()
	l.sessions.note(id, retiredSession{since: now, revoked: true}, until, now)
}

// cutOff lists a user: no login of before counts, outside of the session `except`.
func (l *ledgers) cutOff(user, except string, until time.Time) {
	now := l.now()
	cutoff := loginCutoff{since: now}
	if except != "" {
		cutoff.exempt = []string{except}
	}
	l.logins.note(user, cutoff, until, now)
}

// exempt makes a login count that is being made now, though the second in which its
// cookie was written may be that of a Revoke, or an earlier one.
func (l *ledgers) exempt(id Identified) {
	proven := id.Proven
	if proven.IsZero() {
		proven = time.Unix(l.now().Unix(), 0)
	}
	if id.Session != "" && !l.loginCounts(id.Identity, proven) {
		e := l.logins.entry(id.User)
		e.value.exempt = append(e.value.exempt, id.Session)
	}
}

func (l *ledgers) loginCounts(id Identity, proven time.Time) bool {
	cutoff, listed := l.logins.look(id.User, l.now())
	if !listed || proven.IsZero() || proven.After(cutoff.since) {
		return true
	}
	return id.Session != "" && slices.Contains(cutoff.exempt, id.Session)
}

// Settling is how long after an identity was given up a browser may be without the
// cookies of the new one.
const Settling = 30 * time.Second

// Retired tells why a session id opens nothing any more.
type Retired struct {
	Since   time.Time // when it was given up
	Revoked bool      // by Revoke, so that no session takes its place
}

// Retired returns the entry of a session id that opens nothing any more.
func (h *Hub) Retired(sessionID string) (Retired, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	entry, listed := h.ledger.session(sessionID)
	return Retired{entry.since, entry.revoked}, listed
}

// LoginCounts reports whether a login of this user that was proven at that time, in
// this session, still counts after the Revokes so far. The time is in whole seconds: a
// login of the very second counts if its session was begun by this hub later.
func (h *Hub) LoginCounts(id Identity, proven time.Time) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ledger.loginCounts(id, proven)
}
