package hub

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

// late is a hub that applies commands of another node. The clock of a command
// is a number of seconds.
type late struct {
	*Hub
	t     *testing.T
	clock *clock
}

func newLate(t *testing.T) *late {
	clock := newClock()
	config := clock.config()
	config.Node = "here"
	h := &late{Hub: New(config), t: t, clock: clock}
	clock.advance(20 * time.Second) // the commands are in the past
	return h
}

func (h *late) at(seconds int) command.Clock {
	return command.Clock{Time: newClock().now.Add(time.Duration(seconds) * time.Second).UnixNano(), Node: "there"}
}

// conn returns a connection with a seat, which has the same id.
func (h *late) conn(session, user, seatID string) *Conn {
	c := new(Conn)
	_, err := h.Admit(c, command.Identified{Identity: command.Identity{Session: session, User: user}}, h.ChangesInPlace())
	require.NoError(h.t, err)
	h.Show(seatOf(c, h.Namespace("/a", false), seatID))
	return c
}

func (h *late) rebindCommand(seconds int, from, to, user string) command.Rebind {
	return command.Rebind{
		From: command.Identity{Session: from}, To: command.Identified{Identity: command.Identity{Session: to, User: user}}, At: h.at(seconds),
	}
}

func (h *late) rebind(seconds int, from, to, user string) Effects {
	h.t.Helper()
	ef, err := h.Rebind(h.rebindCommand(seconds, from, to, user))
	require.NoError(h.t, err)
	return ef
}

func (h *late) revokeUser(seconds int, user, except string) Effects {
	return h.Revoke(command.Revoke{Key: command.Key{Kind: command.User, ID: user}, Except: except, Invalidate: true, At: h.at(seconds)})
}

func (h *late) requireSuccessor(session, successor string) {
	h.t.Helper()
	entry, retired := h.Retired(session)
	require.True(h.t, retired)
	require.Equal(h.t, successor, entry.Successor)
}

func requireBound(t *testing.T, c *Conn, session, user string) {
	t.Helper()
	require.Nil(t, c.Binding().Claim)
	require.Equal(t, command.Identity{Session: session, User: user}, c.Binding().Identity)
}

func requireClaim(t *testing.T, c *Conn, session, user string) {
	t.Helper()
	require.Equal(t, command.Identity{}, c.Binding().Identity)
	require.NotNil(t, c.Binding().Claim)
	require.Equal(t, command.Identity{Session: session, User: user}, c.Binding().Claim.To.Identity)
}

// TestRebindToGivenUp: if the new session id was given up already, connections
// get the identity that has replaced it.
func TestRebindToGivenUp(t *testing.T) {
	h := newLate(t)
	ann, nobody := h.conn("s", "ann", "1"), h.conn("s", "", "2")
	h.rebind(2, "s2", "s3", "ann")

	h.rebind(1, "s", "s2", "ann")

	requireBound(t, ann, "s3", "ann")
	requireClaim(t, nobody, "s3", "ann")
	h.requireSuccessor("s", "s2")
	h.requireSuccessor("s2", "s3")
	require.Equal(t, []*Conn{ann}, h.Conns(command.Key{Kind: command.Session, ID: "s3"}))
}

// TestRebindToGivenUpByAnotherUser: a connection that would have lost its user
// on the way needs a proof.
func TestRebindToGivenUpByAnotherUser(t *testing.T) {
	h := newLate(t)
	ann := h.conn("s", "ann", "1")
	h.rebind(2, "s2", "s3", "ann")

	h.rebind(1, "s", "s2", "")

	requireClaim(t, ann, "s3", "ann")
}

// TestRebindToRevoked: if the new session id was revoked already, connections
// end.
func TestRebindToRevoked(t *testing.T) {
	h := newLate(t)
	c := h.conn("s", "ann", "1")
	h.Revoke(command.Revoke{Key: command.Key{Kind: command.Session, ID: "s2"}, Invalidate: true, At: h.at(2)})

	ef := h.rebind(1, "s", "s2", "ann")

	require.Equal(t, []*Conn{c}, ef.Ended)
	requireEmpty(t, h.Hub)
}

// TestRebindToRevokedAfterGivenUp: a session id that was revoked after it was
// given up still leads to the one that replaced it.
func TestRebindToRevokedAfterGivenUp(t *testing.T) {
	h := newLate(t)
	c := h.conn("s", "ann", "1")
	h.rebind(2, "s2", "s3", "ann")
	h.Revoke(command.Revoke{Key: command.Key{Kind: command.Session, ID: "s2"}, Invalidate: true, At: h.at(3)})

	h.rebind(1, "s", "s2", "ann")

	requireBound(t, c, "s3", "ann")
}

// TestOwnRebindToGivenUp: a command that was made in this process returns an
// error instead, with and without a clock.
func TestOwnRebindToGivenUp(t *testing.T) {
	h := newLate(t)
	c := h.conn("s", "ann", "1")
	h.rebind(2, "s2", "s3", "ann")
	for _, at := range []command.Clock{{}, h.Clock()} {
		cmd := h.rebindCommand(0, "s", "s2", "ann")
		cmd.At = at

		ef, err := h.Rebind(cmd)

		require.ErrorIs(t, err, ErrGivenUp)
		require.Equal(t, Effects{}, ef)
		requireBound(t, c, "s", "ann")
	}
}

// TestEarlierOfTwo: of two changes of one session the earlier one is given up,
// though it arrives later.
func TestEarlierOfTwo(t *testing.T) {
	h := newLate(t)
	first := h.conn("s", "ann", "1")
	h.rebind(2, "s", "s3", "ann")
	second := h.conn("s2", "ann", "2") // came with the cookies of the earlier change
	other := h.conn("s2", "bob", "3")

	ef := h.rebind(1, "s", "s2", "ann")

	requireBound(t, first, "s3", "ann")
	requireBound(t, second, "s3", "ann")
	require.Equal(t, []*Conn{other}, ef.Outdated)
	h.requireSuccessor("s", "s2")
	h.requireSuccessor("s2", "s3")
	require.Equal(t, Effects{}, h.rebind(1, "s", "s2", "ann"), "again")
	require.Equal(t, Effects{}, h.rebind(2, "s", "s3", "ann"), "again")
}

// TestEarlierOfTwoLongBefore: a change that came CookieDelay before another is
// not given up by it.
func TestEarlierOfTwoLongBefore(t *testing.T) {
	h := newLate(t)
	h.rebind(31, "s", "s3", "ann")

	h.rebind(1, "s", "s2", "ann")

	_, retired := h.Retired("s2")
	require.False(t, retired)
}

// TestEarlierLogout: a connection that an earlier logout would have taken the
// user from needs a proof after the login.
func TestEarlierLogout(t *testing.T) {
	h := newLate(t)
	c := h.conn("s", "ann", "1")
	h.rebind(2, "s", "s3", "ann")
	requireBound(t, c, "s3", "ann")
	came := h.conn("s3", "ann", "2") // with the cookies of the login

	ef := h.rebind(1, "s", "s2", "")

	require.Len(t, ef.Moved, 1)
	requireClaim(t, c, "s3", "ann")
	requireBound(t, came, "s3", "ann")
	prove(t, h.Hub, c, command.Identified{Identity: command.Identity{Session: "s3", User: "ann"}})
	require.Equal(t, Effects{}, h.rebind(1, "s", "s2", ""), "again")
	requireBound(t, c, "s3", "ann")
}

// TestEarlierLogoutOfProven: a connection that has proven the login, or that
// the login has named, keeps the user.
func TestEarlierLogoutOfProven(t *testing.T) {
	h := newLate(t)
	proven, named := h.conn("s", "", "1"), h.conn("s", "", "2")
	cmd := h.rebindCommand(2, "s", "s3", "ann")
	cmd.SeatID = "2"
	_, err := h.Rebind(cmd)
	require.NoError(t, err)
	prove(t, h.Hub, proven, cmd.To)

	h.rebind(1, "s", "s2", "")

	requireBound(t, proven, "s3", "ann")
	requireBound(t, named, "s3", "ann")
}

// TestEarlierLogoutInPlace: the new session of an earlier change has lost its
// user before the later change.
func TestEarlierLogoutInPlace(t *testing.T) {
	h := newLate(t)
	c := h.conn("s", "ann", "1")
	h.rebind(2, "s2", "s2", "")
	h.rebind(3, "s", "s3", "ann")

	h.rebind(1, "s", "s2", "ann")

	requireClaim(t, c, "s3", "ann")
}

// TestEarlierChangeIsRemembered: a later command finds the connection in the
// session in which it was at the clock of the command.
func TestEarlierChangeIsRemembered(t *testing.T) {
	h := newLate(t)
	c := h.conn("s", "ann", "1")
	h.rebind(3, "s", "s3", "ann")
	h.rebind(1, "s", "s2", "ann")

	ef := h.Revoke(command.Revoke{Key: command.Key{Kind: command.Session, ID: "s2"}, Invalidate: true, At: h.at(2)})

	require.Equal(t, []*Conn{c}, ef.Ended)
}

// TestEarlierChangeToRevoked: the new session of an earlier change was revoked
// before the later change.
func TestEarlierChangeToRevoked(t *testing.T) {
	for seconds, ends := range map[int]bool{2: true, 4: false} {
		h := newLate(t)
		c := h.conn("s", "ann", "1")
		h.rebind(3, "s", "s3", "ann")
		came := h.conn("s3", "ann", "2")
		h.Revoke(command.Revoke{Key: command.Key{Kind: command.Session, ID: "s2"}, Invalidate: true, At: h.at(seconds)})

		ef := h.rebind(1, "s", "s2", "ann")

		require.Equal(t, ends, len(ef.Ended) == 1)
		if !ends {
			requireBound(t, c, "s3", "ann")
		}
		requireBound(t, came, "s3", "ann")
	}
}

// TestTrailIsBounded: a connection remembers its latest changes.
func TestTrailIsBounded(t *testing.T) {
	h := newLate(t)
	c := h.conn("0", "ann", "1")
	for i := range 3 * maxSteps {
		h.rebind(i+1, fmt.Sprint(i), fmt.Sprint(i+1), "ann")
	}

	n := 0
	for s := h.trails[c]; s != nil; s = s.prev {
		n++
	}
	require.Equal(t, maxSteps, n)
	requireBound(t, c, fmt.Sprint(3*maxSteps), "ann")
}

// TestEarlierChangeInPlace: it is ignored, except that a connection needs a
// proof if it has a user whom the change would have taken away.
func TestEarlierChangeInPlace(t *testing.T) {
	for name, later := range map[string]string{"in place": "s", "given up": "s2"} {
		t.Run(name, func(t *testing.T) {
			h := newLate(t)
			ann := h.conn("s", "ann", "1")
			h.rebind(2, "s", later, "ann")
			came := h.conn(later, "ann", "2")
			seen := h.ChangesInPlace()

			h.rebind(1, "s", "s", "bob")

			requireClaim(t, ann, later, "ann")
			requireBound(t, came, later, "ann")
			require.Equal(t, seen, h.ChangesInPlace())
			require.Equal(t, Effects{}, h.rebind(1, "s", "s", "bob"), "again")
			require.Equal(t, Effects{}, h.rebind(2, "s", later, "ann"), "again")
		})
	}
}

// TestChangeInPlaceBeforeOthersCame: it does not change the connections that
// came to the session by a later change.
func TestChangeInPlaceBeforeOthersCame(t *testing.T) {
	h := newLate(t)
	came, stayed := h.conn("s0", "ann", "1"), h.conn("s", "ann", "2")
	h.rebind(2, "s0", "s", "ann")

	h.rebind(1, "s", "s", "")

	requireBound(t, came, "s", "ann")
	requireBound(t, stayed, "s", "")
}

// TestRebindToChangedInPlace: connections get the identity that the new session
// has got since, after a proof, as there may have been other users between.
func TestRebindToChangedInPlace(t *testing.T) {
	h := newLate(t)
	c := h.conn("s", "ann", "1")
	h.rebind(2, "s2", "s2", "bob")
	h.rebind(3, "s2", "s2", "ann")

	h.rebind(1, "s", "s2", "ann")

	requireClaim(t, c, "s2", "ann")
}

// TestRebindToChangedInPlaceTooLate: a change in place that is later than the
// end of the session does not count.
func TestRebindToChangedInPlaceTooLate(t *testing.T) {
	h := newLate(t)
	c := h.conn("s", "ann", "1")
	h.rebind(3, "s2", "s2", "bob")
	h.rebind(2, "s2", "s3", "ann")

	h.rebind(1, "s", "s2", "ann")

	requireBound(t, c, "s3", "ann")
}

// TestLoginBeforeRevoke: a login that is earlier than a Revoke of its user does
// not count, and gives no connection the user without a proof.
func TestLoginBeforeRevoke(t *testing.T) {
	h := newLate(t)
	excepted, nobody := h.conn("s", "ann", "1"), h.conn("s", "", "2")
	h.revokeUser(2, "ann", "s")
	cmd := h.rebindCommand(1, "s", "s2", "ann")
	cmd.To.LoginTime, cmd.SeatID = cmd.At.Wall(), "2"

	_, err := h.Rebind(cmd)

	require.NoError(t, err)
	require.False(t, h.LoginCounts(cmd.To.Identity, cmd.To.LoginTime))
	for _, c := range []*Conn{excepted, nobody} {
		requireClaim(t, c, "s2", "ann")
		_, to, _ := h.Prove(c, cmd.To)
		require.Nil(t, to)
	}
}

// TestLoginAfterRevoke: a login that is later than a Revoke of its user counts,
// in whatever order they arrive.
func TestLoginAfterRevoke(t *testing.T) {
	for _, revokeFirst := range []bool{true, false} {
		h := newLate(t)
		c := h.conn("s", "", "1")
		cmd := h.rebindCommand(2, "s", "s2", "ann")
		cmd.To.LoginTime = h.at(1).Wall() // the cookie was written in the second of the Revoke
		if revokeFirst {
			h.revokeUser(1, "ann", "")
		}
		_, err := h.Rebind(cmd)
		require.NoError(t, err)
		if !revokeFirst {
			h.revokeUser(1, "ann", "")
		}

		require.True(t, h.LoginCounts(cmd.To.Identity, cmd.To.LoginTime))
		require.False(t, h.LoginCounts(command.Identity{Session: "s4", User: "ann"}, cmd.To.LoginTime))
		h.revokeUser(1, "bob", "")
		require.False(t, h.LoginCounts(command.Identity{Session: "s2", User: "bob"}, cmd.To.LoginTime))
		prove(t, h.Hub, c, cmd.To)
		require.Empty(t, h.revokeUser(1, "ann", "").Ended, "again")
		requireBound(t, c, "s2", "ann")
		require.Equal(t, []*Conn{c}, h.revokeUser(3, "ann", "").Ended)
	}
}

// TestLateRevoke: it ends the connections that the user had at its clock.
func TestLateRevoke(t *testing.T) {
	h := newLate(t)
	moved, excepted := h.conn("s", "ann", "1"), h.conn("s4", "ann", "3")
	h.rebind(2, "s", "s2", "ann")
	h.rebind(3, "s4", "s5", "ann")
	came, stays := h.conn("s2", "ann", "2"), h.conn("s5", "ann", "4")

	ef := h.revokeUser(1, "ann", "s4")

	require.Equal(t, []*Conn{moved}, ef.Ended)
	require.Equal(t, []string{"s"}, ef.Revoked)
	requireBound(t, came, "s2", "ann")
	requireBound(t, excepted, "s5", "ann")
	requireBound(t, stays, "s5", "ann")
	_, retired := h.Retired("s2")
	require.False(t, retired)
	entry, _ := h.Retired("s")
	require.True(t, entry.Revoked)
}

// TestLateRevokeOfSession: it ends the connections that have left the session.
func TestLateRevokeOfSession(t *testing.T) {
	h := newLate(t)
	moved := h.conn("s", "ann", "1")
	h.rebind(2, "s", "s2", "ann")
	came := h.conn("s2", "ann", "2")

	ef := h.Revoke(command.Revoke{Key: command.Key{Kind: command.Session, ID: "s"}, Invalidate: true, At: h.at(1)})

	require.Equal(t, []*Conn{moved}, ef.Ended)
	require.Equal(t, []string{"s"}, ef.Revoked)
	requireBound(t, came, "s2", "ann")
}

// TestLateRevokeThatKeepsSession: a Revoke that keeps the session valid does
// not end connections whose session has changed later.
func TestLateRevokeThatKeepsSession(t *testing.T) {
	h := newLate(t)
	h.rebind(2, "s", "s", "ann")
	c := h.conn("s", "ann", "1")
	revoke := command.Revoke{Key: command.Key{Kind: command.Session, ID: "s"}, At: h.at(1)}

	require.Empty(t, h.Revoke(revoke).Ended)
	revoke.At = h.at(3)
	require.Equal(t, []*Conn{c}, h.Revoke(revoke).Ended)
	require.Empty(t, h.Revoke(revoke).Revoked)
}

// TestLateRevokeThatEndsSession: a session id that was revoked is not valid any
// more, also if the session has changed later.
func TestLateRevokeThatEndsSession(t *testing.T) {
	h := newLate(t)
	h.rebind(2, "s", "s", "ann")
	c := h.conn("s", "ann", "1")

	ef := h.Revoke(command.Revoke{Key: command.Key{Kind: command.Session, ID: "s"}, Invalidate: true, At: h.at(1)})

	require.Equal(t, []*Conn{c}, ef.Ended)
}

// TestRevokeIdentityOfAnotherHub: it does nothing if the session has changed
// since the identity was checked.
func TestRevokeIdentityOfAnotherHub(t *testing.T) {
	h := newLate(t)
	c := h.conn("s", "ann", "1")
	h.rebind(2, "s", "s", "ann")
	cmd := command.RevokeIdentity{Identity: command.Identity{Session: "s", User: "ann"}, Seen: -1000, Invalidate: true, At: h.at(1)}

	require.Equal(t, Effects{}, h.RevokeIdentity(cmd))
	requireBound(t, c, "s", "ann")

	cmd.At = h.at(3)
	ef := h.RevokeIdentity(cmd)
	require.Equal(t, []*Conn{c}, ef.Ended)
	require.Equal(t, []string{"s"}, ef.Revoked)
	require.Equal(t, Effects{}, h.RevokeIdentity(cmd), "again")

	cmd.Identity.Session = "s2" // it has no connection here
	require.Equal(t, []string{"s2"}, h.RevokeIdentity(cmd).Revoked)
}

// TestSessionsInACircle: ids that replace each other, which only a site with
// session ids of its own can make, do not keep the hub busy.
func TestSessionsInACircle(t *testing.T) {
	h := newLate(t)
	h.rebind(1, "s", "s2", "ann")
	h.rebind(2, "s2", "s", "ann")
	h.rebind(3, "s3", "s", "ann")
	c := h.conn("s4", "ann", "1")

	h.rebind(4, "s4", "s", "ann")

	requireBound(t, c, "s2", "ann")
}
