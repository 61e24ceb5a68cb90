package hub

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

// replica is a hub with the connections of the test.
type replica struct {
	*Hub
	t     *testing.T
	conns []*Conn
	gone  map[*Conn]string // why connections have ended
	sent  []any            // commands for the other replicas because of Effects.Revoked
}

func newReplica(t *testing.T, c *clock, name string, ids []command.Identified) *replica {
	config := c.config()
	config.Node = name
	h := &replica{Hub: New(config), t: t, gone: make(map[*Conn]string)}
	n := h.Namespace("/a", false)
	for i, id := range ids {
		conn := new(Conn)
		_, err := h.Admit(conn, id, h.ChangesInPlace())
		require.NoError(t, err)
		h.Show(seatOf(conn, n, fmt.Sprint(i)))
		h.conns = append(h.conns, conn)
	}
	return h
}

func (h *replica) apply(cmd any) {
	var ef Effects
	var err error
	revoke := command.Revoke{Key: command.Key{Kind: command.Session}, Invalidate: true}
	switch cmd := cmd.(type) {
	case command.Rebind:
		ef, err = h.Rebind(cmd)
		require.NoError(h.t, err)
	case command.Revoke:
		ef = h.Revoke(cmd)
		revoke.At, revoke.Until = cmd.At, cmd.Until
	case command.RevokeIdentity:
		ef = h.RevokeIdentity(cmd)
		revoke.At, revoke.Until = cmd.At, cmd.Until
	}
	for _, revoke.Key.ID = range ef.Revoked {
		h.sent = append(h.sent, revoke)
	}
	h.act(ef)
}

// act ends and closes connections as the server does.
func (h *replica) act(ef Effects) {
	for _, c := range ef.Outdated {
		h.gone[c] = "outdated"
		h.Forget(c)
	}
	for _, c := range ef.Ended {
		h.gone[c] = "ended"
	}
}

// standing is what a connection is in the end.
type standing struct {
	user    command.Identity // the identity, if it has a user
	claims  command.Identity // the identity that it can prove
	session string           // its session or that of its claim
	gone    string           // why it has none
}

func (h *replica) standing(i int) (s standing) {
	c := h.conns[i]
	if s.gone = h.gone[c]; s.gone != "" {
		return s
	}
	b := c.Binding()
	switch {
	case b.Claim == nil:
		s.session = b.Session
		if b.User != "" {
			s.user = b.Identity
		}
	case h.canProve(b.Claim.To):
		s.claims, s.session = b.Claim.To.Identity, b.Claim.To.Session
	default:
		s.gone = "without a valid claim"
	}
	return s
}

func (h *replica) canProve(to command.Identified) bool {
	_, retired := h.Retired(to.Session)
	return !retired && h.LoginCounts(to.Identity, to.LoginTime)
}

func (h *replica) root(session string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rootLocked(session)
}

// admits returns what a new connection with these cookies gets.
func (h *replica) admits(id command.Identified) string {
	c := new(Conn)
	if _, err := h.Admit(c, id, h.ChangesInPlace()); err != nil {
		return err.Error()
	}
	defer h.Forget(c)
	return fmt.Sprint(c.Binding().Identity)
}

// requireSameLedger requires that the same session ids and logins are valid.
func (r *commandSource) requireSameLedger(want, got *replica) {
	now := want.config.Now()
	for _, session := range convergeSessions {
		require.Equal(want.t, want.root(session), got.root(session), "the root of %s", session)
		a, retired := want.Retired(session)
		b, alsoRetired := got.Retired(session)
		require.Equal(want.t, retired, alsoRetired, session)
		require.Equal(want.t, a.Revoked, b.Revoked, session)
		// A session has the user of its latest Rebind. There are no cookies of
		// others.
		for _, user := range []string{"ann", "bob"} {
			if latest, known := r.users[session]; known && latest != user {
				continue
			}
			for ago := time.Duration(0); ago < 30*time.Second; ago += time.Second {
				id := command.Identified{Identity: command.Identity{Session: session, User: user}, LoginTime: time.Unix(now.Add(-ago).Unix(), 0)}
				require.Equal(want.t, want.admits(id), got.admits(id), "%v, %v ago", id.Identity, ago)
			}
		}
	}
}

// requireSameConns requires that the same connections belong to users, and that
// the others are in the same sessions. A connection without a user may have
// ended in one of them.
func (r *commandSource) requireSameConns(want, got *replica) {
	for i := range want.conns {
		if r.named[i] {
			// A Rebind names the connection only if it is in its session when
			// the Rebind arrives.
			continue
		}
		a, b := want.standing(i), got.standing(i)
		switch {
		case a.user == b.user:
		case r.inPlace && b.user == (command.Identity{}) && (b.claims == a.user || b.gone == "outdated"):
			// A Rebind in place arrived before one that is earlier and gives up
			// the session. So the connection has to prove what it was.
			continue
		default:
			require.Equal(want.t, a, b, "connection %d", i)
		}
		if a.gone == "" && b.gone == "" {
			require.Equal(want.t, a.session, b.session, "connection %d", i)
		}
	}
}

// requireNoMore requires that a replica that has merged ledgers has given no
// connection a user that it does not have in the other one.
func (r *commandSource) requireNoMore(want, got *replica) {
	for i := range want.conns {
		a, b := want.standing(i), got.standing(i)
		switch {
		case b.user == (command.Identity{}) || r.named[i]:
		case r.inPlace && a.claims == b.user:
			// A ledger has only the latest of several changes in place.
		default:
			require.Equal(want.t, a.user, b.user, "connection %d", i)
		}
	}
}

// converge applies commands to a hub in the order of their clocks, to another
// hub in any order and partly twice, and to a third one partly as a ledger.
func converge(t *testing.T, input []byte) {
	clock := newClock()
	r := &commandSource{
		input: input, at: command.Clock{Time: clock.now.UnixNano()}, until: clock.now.Add(time.Hour),
		users: make(map[string]string), began: make(map[string]bool), invalid: make(map[string]bool),
	}
	for _, session := range convergeSessions[:oldSessions] {
		r.users[session] = r.user()
	}
	var ids []command.Identified
	for range 1 + r.choose(4) {
		session := convergeSessions[r.choose(oldSessions)]
		id := command.Identity{Session: session, User: r.users[session]}
		ids = append(ids, command.Identified{Identity: id, LoginTime: clock.now.Add(-time.Hour)})
	}
	withNames := r.choose(3) == 0
	if withNames {
		r.named = make(map[int]bool)
	}
	want, got, merged := newReplica(t, clock, "want", ids), newReplica(t, clock, "got", ids), newReplica(t, clock, "merged", ids)
	r.want = want
	// All commands are in the past, and less than CookieDelay apart: whether a
	// change takes the session of an earlier one over depends on the changes in
	// between, which would have to arrive that much later.
	clock.advance(25 * time.Second)
	var list []any
	for range 2 + r.choose(6) {
		if cmd := r.next(); cmd != nil {
			list = append(list, cmd)
			want.apply(cmd)
		}
	}
	order := r.shuffled(len(list))
	for n, i := range order {
		got.apply(list[i])
		for r.choose(3) == 2 { // again
			got.apply(list[order[r.choose(n+1)]])
		}
		if r.choose(2) == 0 {
			merged.apply(list[i])
		}
	}
	defer func() {
		if t.Failed() {
			t.Logf("connections %v", ids)
			for i, cmd := range list {
				t.Logf("%d %+v", i, cmd)
			}
			t.Logf("in the order %v", order)
		}
	}()
	sent := slices.Concat(want.sent, got.sent, merged.sent)
	for _, h := range []*replica{want, got, merged} {
		for _, cmd := range sent {
			h.apply(cmd)
		}
	}
	r.requireSameLedger(want, got)
	r.requireSameConns(want, got)

	entries := want.Ledger()
	for range 2 {
		for _, i := range r.shuffled(len(entries)) {
			merged.act(merged.Merge(entries[i : i+1]))
		}
	}
	r.requireSameLedger(want, merged)
	r.requireNoMore(want, merged)
	require.Equal(t, Effects{}, merged.Merge(entries), "again")
	require.Equal(t, sorted(entries), sorted(merged.Ledger()))

	left, right := newReplica(t, clock, "left", ids), newReplica(t, clock, "right", ids)
	r.cutOff(left, right, list)
	sent = slices.Concat(sent, left.sent, right.sent)
	for _, h := range []*replica{want, left, right} {
		for _, cmd := range sent {
			h.apply(cmd)
		}
	}
	r.requireSameLedger(want, left)
	r.requireSameLedger(want, right)
}

// cutOff applies each command to one of two hubs, or to both. Then each gets the
// ledger of the other, or the commands that it has not got.
func (r *commandSource) cutOff(left, right *replica, list []any) {
	var later []func()
	for _, i := range r.shuffled(len(list)) {
		switch r.choose(3) {
		case 0:
			left.apply(list[i])
			later = append(later, func() { right.apply(list[i]) })
		case 1:
			right.apply(list[i])
		case 2:
			left.apply(list[i])
			right.apply(list[i])
		}
	}
	entries := right.Ledger()
	for _, i := range r.shuffled(len(entries)) {
		left.act(left.Merge(entries[i : i+1]))
	}
	for _, i := range r.shuffled(len(later)) {
		later[i]()
	}
}

func sorted(entries []ledger.Entry) []ledger.Entry {
	for i := range entries {
		slices.Sort(entries[i].Exempt)
	}
	slices.SortFunc(entries, func(a, b ledger.Entry) int {
		return strings.Compare(fmt.Sprint(a.Kind, a.ID), fmt.Sprint(b.Kind, b.ID))
	})
	return entries
}

// FuzzConverge: the order in which commands arrive does not matter, nor whether
// they arrive twice or in a ledger.
func FuzzConverge(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(randomBytes(seed, 200))
	}
	f.Fuzz(converge)
}

// TestConverge is FuzzConverge with random inputs.
func TestConverge(t *testing.T) {
	for seed := range uint64(500) {
		converge(t, randomBytes(2000+seed, 200))
	}
}
