package socketio

import (
	"slices"
	"time"
)

// ledger is the ids that were given up or revoked, each up to when its cookies
// have expired. It is bounded; the oldest give way. registry.mu guards it.
type ledger[T any] struct {
	entries map[string]*ledgerEntry[T]
	order   []string // oldest first
}

type ledgerEntry[T any] struct {
	until time.Time // zero: for ever
	value T
}

const maxLedger = 1 << 16

// look returns what is noted about an id.
func (l *ledger[T]) look(id string) (v T, noted bool) {
	e, in := l.entries[id]
	if !in || e.over(time.Now()) {
		return v, false
	}
	return e.value, true
}

func (e *ledgerEntry[T]) over(now time.Time) bool { return !e.until.IsZero() && now.After(e.until) }

// note enters an id, or changes what is noted about it.
func (l *ledger[T]) note(id string, v T, until time.Time) {
	if l.entries == nil {
		l.entries = make(map[string]*ledgerEntry[T])
	}
	if _, in := l.entries[id]; !in {
		l.order = append(l.order, id)
	}
	l.entries[id] = &ledgerEntry[T]{until, v}
	now := time.Now()
	for len(l.order) > 0 && (len(l.order) > maxLedger || l.entries[l.order[0]].over(now)) {
		delete(l.entries, l.order[0])
		l.order[0] = ""
		l.order = l.order[1:]
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

// Spare has a login count that is being made now.
func (s *Server) Spare(id Identity) {
	r := &s.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	e, in := r.banished.entries[id.User]
	if in && time.Now().Unix() <= e.value.since.Unix() {
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
	b, listed := r.banished.look(id.User)
	if !listed || proven.After(b.since) {
		return true
	}
	return id.Session != "" && slices.Contains(b.spared, id.Session)
}
