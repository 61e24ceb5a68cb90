// Package ledger lists session ids that were given up or revoked, and users
// whose earlier logins are not valid any more. The caller must hold a lock.
//
// The entries have the clocks of the commands that made them. The result does
// not depend on the order in which the commands are applied.
package ledger

import (
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/command"
)

// Ledger is the list of all invalid session ids and logins. Now must be set.
type Ledger struct {
	Now      func() time.Time
	Journal  *Journal            // nil: none
	sessions entries[Retirement] // by session id
	logins   entries[cutoff]     // by user id
	changed  entries[Change]     // by session id
}

// Session is the entry of a session id that is not valid any more.
type Session struct {
	Since     time.Time
	Successor string // the session id that replaced it; empty if there is none
	Revoked   bool   // a handshake with the id is refused; if false, it has no identity
}

// Retirement has the commands that made a session id invalid.
type Retirement struct {
	GivenUp command.Clock      // zero: it was not given up
	To      command.Identified // the identity that replaced it
	Revoked command.Clock      // zero: it was not revoked
}

// Ends reports whether the connections of the session id ended when it became
// invalid: it was revoked while it was valid.
func (r *Retirement) Ends() bool {
	return !r.Revoked.IsZero() && (r.GivenUp.IsZero() || r.Revoked.Before(r.GivenUp))
}

// Change is the latest Rebind that led to a session.
type Change struct {
	At      command.Clock
	To      command.Identified
	InPlace bool // the session had the id before
}

// cutoff is the entry of a user. Logins up to the clock at are not valid any
// more.
type cutoff struct {
	at     command.Clock
	exempt []string // sessions whose logins are valid
}

// Session returns the entry of a session id, if it is listed.
func (l *Ledger) Session(id string) (Session, bool) {
	if len(l.sessions.byID) == 0 { // the usual case, without a deep call: Hub.Admit must not grow its stack
		return Session{}, false
	}
	return l.session(id)
}

//go:noinline
func (l *Ledger) session(id string) (Session, bool) {
	r, listed := l.Retirement(id)
	switch {
	case !listed:
		return Session{}, false
	case !r.Revoked.IsZero():
		return Session{Since: r.Revoked.Wall(), Revoked: true}, true
	}
	return Session{Since: r.GivenUp.Wall(), Successor: r.To.Session}, true
}

// Retirement returns the commands that made a session id invalid, if it is
// listed.
func (l *Ledger) Retirement(id string) (Retirement, bool) { return l.sessions.get(id, l.Now()) }

// GiveUp lists a session id that the identity `to` replaces. It replaces the
// clock and the identity of an earlier call. An id that is revoked stays so.
func (l *Ledger) GiveUp(id string, to command.Identified, at command.Clock, until time.Time) {
	now := l.Now()
	r := Retirement{}
	if e := l.sessions.find(id, now); e != nil {
		r, until = e.value, later(e.until, until)
	}
	r.GivenUp, r.To = at, to
	l.sessions.add(id, r, until, now)
}

// RevokeSession lists a session id as revoked.
func (l *Ledger) RevokeSession(id string, at command.Clock, until time.Time) {
	now := l.Now()
	r := Retirement{}
	if e := l.sessions.find(id, now); e != nil {
		r, until = e.value, later(e.until, until)
	}
	if r.Revoked.Before(at) {
		r.Revoked = at
	}
	l.sessions.add(id, r, until, now)
	if l.Journal != nil {
		l.Journal.add(Entry{Kind: Revoked, ID: id, At: r.Revoked, Until: until})
	}
}

// CutOff lists a user. All logins of the user up to the clock at are not valid
// any more, except those of the sessions exempt. If the user is already listed,
// the later clock counts. The result is false if it is the same or an earlier
// one.
func (l *Ledger) CutOff(user string, exempt []string, at command.Clock, until time.Time) (later bool) {
	now := l.Now()
	e := l.logins.find(user, now)
	if e == nil || e.value.at.Before(at) {
		l.logins.add(user, cutoff{at, slices.Clone(exempt)}, until, now)
		if l.Journal != nil {
			l.Journal.add(Entry{Kind: CutOff, ID: user, At: at, Until: until, Exempt: slices.Clone(exempt)})
		}
		return true
	}
	if e.value.at == at {
		for _, session := range exempt {
			e.value.addExempt(session)
		}
	}
	return false
}

func (c *cutoff) addExempt(session string) {
	if !slices.Contains(c.exempt, session) {
		c.exempt = append(c.exempt, session)
	}
}

// Exempt makes a new login valid, even if its cookie was written before a
// Revoke or in the same second. It does nothing if the Revoke is later than the
// login by their clocks.
func (l *Ledger) Exempt(login Change) {
	e := l.logins.find(login.To.User, l.Now())
	if login.To.Session == "" || e == nil || !e.value.at.Before(login.At) {
		return
	}
	loginTime := login.To.LoginTime
	if loginTime.IsZero() {
		loginTime = time.Unix(login.At.Wall().Unix(), 0)
	}
	if !loginTime.After(e.value.at.Wall()) {
		e.value.addExempt(login.To.Session)
		if l.Journal != nil {
			l.Journal.add(Entry{Kind: CutOff, ID: e.id, At: e.value.at, Until: e.until, Exempt: []string{login.To.Session}})
		}
	}
}

// IsCutOff reports whether a login at a clock is not valid any more because of
// a later Revoke.
func (l *Ledger) IsCutOff(id command.Identity, at command.Clock) bool {
	return len(l.logins.byID) > 0 && l.isCutOff(id, at)
}

func (l *Ledger) isCutOff(id command.Identity, at command.Clock) bool {
	c, listed := l.logins.get(id.User, l.Now())
	return listed && at.Before(c.at) && !l.isExempt(&c, id)
}

// LoginCounts reports whether a login of this user and session is valid. The
// argument loginTime is the time of the login.
func (l *Ledger) LoginCounts(id command.Identity, loginTime time.Time) bool {
	return len(l.logins.byID) == 0 || l.loginCounts(id, loginTime)
}

//go:noinline
func (l *Ledger) loginCounts(id command.Identity, loginTime time.Time) bool {
	c, listed := l.logins.get(id.User, l.Now())
	return !listed || loginTime.IsZero() || loginTime.After(c.at.Wall()) || l.isExempt(&c, id)
}

// isExempt reports whether a Revoke excepted the session, or was earlier than
// the login in this session.
func (l *Ledger) isExempt(c *cutoff, id command.Identity) bool {
	if id.Session == "" {
		return false
	}
	if slices.Contains(c.exempt, id.Session) {
		return true
	}
	login, listed := l.changed.get(id.Session, l.Now()) // the login may have been applied before the Revoke
	return listed && login.To.User == id.User && c.at.Before(login.At)
}

// AddChange lists a Rebind that led to a session, unless a later one is listed.
// The result is false if the same or a later one is.
func (l *Ledger) AddChange(c Change, until time.Time) (later bool) {
	now := l.Now()
	if before := l.changed.find(c.To.Session, now); before != nil && !before.value.At.Before(c.At) {
		return false
	}
	l.changed.add(c.To.Session, c, until, now)
	return true
}

// Changed returns the latest Rebind that led to a session, if it is listed.
func (l *Ledger) Changed(session string) (Change, bool) { return l.changed.get(session, l.Now()) }

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
