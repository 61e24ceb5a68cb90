package socketio

import (
	"container/list"
	"slices"
	"time"
)

// ledger is the ids that were given up or revoked, each up to when its cookies
// have expired. It is bounded; the oldest give way. registry.mu guards it.
type ledger[T any] struct {
	entries map[string]*list.Element
	order   list.List // of *ledgerEntry[T], oldest first
}

type ledgerEntry[T any] struct {
	id    string
	until time.Time // zero: for ever
	value T
}

const maxLedger = 1 << 16

// look returns what is noted about an id.
func (l *ledger[T]) look(id string) (v T, noted bool) {
	e := l.entry(id)
	if e == nil || e.over(time.Now()) {
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

func (e *ledgerEntry[T]) over(now time.Time) bool { return !e.until.IsZero() && now.After(e.until) }

// note enters an id, as the latest, or changes what is noted about it.
func (l *ledger[T]) note(id string, v T, until time.Time) {
	if l.entries == nil {
		l.entries = make(map[string]*list.Element)
	}
	if at, in := l.entries[id]; in {
		l.order.Remove(at)
	}
	l.entries[id] = l.order.PushBack(&ledgerEntry[T]{id, until, v})
	now := time.Now()
	for at := l.order.Front(); at != nil; at = l.order.Front() {
		oldest := at.Value.(*ledgerEntry[T])
		if len(l.entries) <= maxLedger && !oldest.over(now) {
			return
		}
		l.order.Remove(at)
		delete(l.entries, oldest.id)
	}
}

// retirement is what is known of a session id that opens nothing any more.
type retirement struct {
	since     time.Time
	successor string // the session id that took its place, if any did
	revoked   bool   // a handshake with it is refused; otherwise it is nobody's
}

// giveUp enters a session id whose place another takes, unless it is listed, and
// returns what was known of it.
func (r *registry) giveUp(id, successor string, until time.Time) (before retirement, known bool) {
	before, known = r.retired.look(id)
	if !known {
		r.retired.note(id, retirement{since: time.Now(), successor: successor}, until)
	}
	return before, known
}

// Settling is how long after an identity was given up a browser may be without the
// cookies of the new one. A client that comes with the old ones in that time is
// nobody, and is sent away after comeAgain, to come back with the new ones.
const (
	Settling  = 30 * time.Second
	comeAgain = time.Second
)

// GivenUp is why a session id opens nothing any more.
type GivenUp struct {
	Since   time.Time // when it was given up
	Revoked bool      // by Revoke, so that nothing takes its place
}

// GivenUp tells whether a session id was given up.
func (s *Server) GivenUp(sessionID string) (GivenUp, bool) {
	r := &s.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	gone, listed := r.retired.look(sessionID)
	return GivenUp{gone.since, gone.revoked}, listed
}

// banishment is a user whose logins up to a moment do not count any more.
type banishment struct {
	since  time.Time
	spared []string // sessions whose logins still count
}

// spare has a login count that is being made now, though the second in which its
// cookie was written may be that of a Revoke, or an earlier one. It needs mu.
func (r *registry) spare(id Identified) {
	proven := id.Proven
	if proven.IsZero() {
		proven = time.Unix(time.Now().Unix(), 0)
	}
	if id.Session != "" && !r.loginCounts(id.Identity, proven) {
		e := r.banished.entry(id.User)
		e.value.spared = append(e.value.spared, id.Session)
	}
}

// LoginCounts reports whether a login of this user that was proven then, in this
// session, still counts after what Revoke has done. The time is in whole seconds:
// a login of the very second counts if its session was begun by this Server later.
func (s *Server) LoginCounts(id Identity, proven time.Time) bool {
	r := &s.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.loginCounts(id, proven)
}

// loginCounts needs mu.
func (r *registry) loginCounts(id Identity, proven time.Time) bool {
	b, listed := r.banished.look(id.User)
	if !listed || proven.IsZero() || proven.After(b.since) {
		return true
	}
	return id.Session != "" && slices.Contains(b.spared, id.Session)
}
