package hub

import (
	"fmt"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/command"
)

// commandSource makes commands of several nodes, in the order of their clocks.
// What they are is read from bytes. The nodes do not know of each other's
// latest commands. The source makes only commands for which the order of
// arrival must not matter; the comments say why for each exception.
type commandSource struct {
	input   []byte
	want    *replica          // to which the commands so far were applied
	at      command.Clock     // the latest one
	until   time.Time         // of all entries
	users   map[string]string // the user of each session after the commands so far
	began   map[string]bool   // sessions that a Rebind has begun
	invalid map[string]bool   // sessions of a RevokeIdentity
	inPlace bool              // there are Rebinds in place
	named   map[int]bool      // connections that a Rebind has named; nil if none may
}

// oldSessions are the sessions of the connections. Rebinds begin the others.
const oldSessions = 3

var convergeSessions = []string{"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"}

func (r *commandSource) choose(n int) int {
	if len(r.input) == 0 {
		return 0
	}
	b := r.input[0]
	r.input = r.input[1:]
	return int(b) % n
}

func (r *commandSource) session() string { return convergeSessions[r.choose(len(convergeSessions))] }
func (r *commandSource) user() string    { return []string{"", "ann", "bob"}[r.choose(3)] }

// exists reports whether a session has begun and is valid.
func (r *commandSource) exists(session string) bool {
	return (slices.Contains(convergeSessions[:oldSessions], session) || r.began[session]) && !r.isRetired(session)
}

func (r *commandSource) isRetired(session string) bool {
	_, retired := r.want.Retired(session)
	return retired
}

// advance makes the clock later. The time may stay the same if the node is
// another.
func (r *commandSource) advance() {
	next := command.Clock{Time: r.at.Time, Node: []string{"x", "y", "z"}[r.choose(3)]}
	next.Time += int64([]time.Duration{0, 1, time.Second, 3 * time.Second}[r.choose(4)])
	if !r.at.Before(next) {
		next.Time++
	}
	r.at = next
}

// next returns the next command, or nil.
func (r *commandSource) next() any {
	r.advance()
	switch r.choose(10) {
	case 0, 1:
		return r.revokeUser()
	case 2:
		return r.revokeIdentity()
	case 3:
		session := r.session()
		if !r.exists(session) {
			// If the Revoke comes first it ends the connections; if a Rebind
			// has moved them before, the Revoke does not find them.
			return nil
		}
		return command.Revoke{Key: command.Key{Kind: command.Session, ID: session}, Invalidate: true, At: r.at, Until: r.until}
	}
	return r.rebind()
}

func (r *commandSource) rebind() any {
	from := r.choose(len(convergeSessions))
	to := from + r.choose(len(convergeSessions)-from)
	cmd := command.Rebind{
		From: command.Identity{Session: convergeSessions[from]}, At: r.at, Until: r.until,
		To: command.Identified{Identity: command.Identity{Session: convergeSessions[to], User: r.user()}},
	}
	if r.choose(2) == 0 {
		cmd.To.LoginTime = time.Unix(r.at.Wall().Unix(), 0)
	}
	if from != to && r.choose(3) == 0 {
		cmd.Others = []string{convergeSessions[r.choose(to)]}
	}
	if r.invalid[cmd.From.Session] || slices.ContainsFunc(cmd.Others, func(session string) bool { return r.invalid[session] }) {
		return nil // a late RevokeIdentity does not end connections that have changed since
	}
	if from == to {
		r.inPlace = true
	} else {
		// Each session id begins with one Rebind and is not used again after it
		// was given up: LogIn and LogOut make new ones.
		if to < oldSessions || r.began[cmd.To.Session] || r.isRetired(cmd.To.Session) {
			return nil
		}
		r.began[cmd.To.Session] = true
	}
	r.users[cmd.To.Session] = cmd.To.User
	if r.named != nil && r.choose(2) == 0 {
		named := r.choose(4)
		cmd.SeatID, r.named[named] = fmt.Sprint(named), true
	}
	return cmd
}

func (r *commandSource) revokeUser() any {
	cmd := command.Revoke{Key: command.Key{Kind: command.User, ID: []string{"ann", "bob"}[r.choose(2)]}, Invalidate: true, At: r.at, Until: r.until}
	if r.choose(3) == 0 {
		// A Revoke that comes before the Rebind that begins the session ends
		// the connections that the Rebind would move there.
		cmd.Except = convergeSessions[r.choose(oldSessions)]
	}
	return cmd
}

func (r *commandSource) revokeIdentity() any {
	session := r.session()
	if !r.exists(session) || r.users[session] == "" {
		return nil
	}
	r.invalid[session] = true
	return command.RevokeIdentity{Identity: command.Identity{Session: session, User: r.users[session]}, Invalidate: true, At: r.at, Until: r.until}
}

func (r *commandSource) shuffled(n int) []int {
	order := make([]int, n)
	for i := range order {
		j := r.choose(i + 1)
		order[i], order[j] = order[j], i
	}
	return order
}
