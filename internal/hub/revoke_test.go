package hub

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

// TestRevokeEndsTheWholeSession: Revoke of a user revokes the sessions of its
// connections. It also ends the others that have one of these sessions, or claim
// it: nobody can use the session any more.
func TestRevokeEndsTheWholeSession(t *testing.T) {
	h := newLate(t)
	ann, bob, anonymous := h.conn("s", "ann", "1"), h.conn("s", "bob", "2"), h.conn("s", "", "3")
	elsewhere := h.conn("s2", "bob", "4")
	claims := h.conn("s3", "", "5")
	h.rebind(1, "s3", "s", "bob")
	requireClaim(t, claims, "s", "bob")

	ef := h.revokeUser(2, "ann", "")

	require.ElementsMatch(t, []*Conn{ann, bob, anonymous, claims}, ef.Ended)
	require.Equal(t, []string{"s"}, ef.Revoked)
	require.Equal(t, []*Conn{elsewhere}, h.Conns(userKey("bob")))
	require.Nil(t, h.Claimant(claims.Binding().Claim.Value))
}

// TestRevokeThatKeepsSessions: without Invalidate, or in a session that is
// excepted, other connections of the session stay.
func TestRevokeThatKeepsSessions(t *testing.T) {
	h := newLate(t)
	ann, bob := h.conn("s", "ann", "1"), h.conn("s", "bob", "2")
	require.Empty(t, h.revokeUser(1, "ann", "s").Ended)
	require.Equal(t, []*Conn{ann}, h.Revoke(command.Revoke{Key: userKey("ann"), At: h.at(2)}).Ended)
	require.Equal(t, []*Conn{bob}, h.Conns(userKey("bob")))
}

// TestRevokeIdentityEndsTheWholeSession: RevokeIdentity does the same for its
// session.
func TestRevokeIdentityEndsTheWholeSession(t *testing.T) {
	h := newLate(t)
	ann, bob, other := h.conn("s", "ann", "1"), h.conn("s", "bob", "2"), h.conn("s2", "ann", "3")

	ef := h.RevokeIdentity(command.RevokeIdentity{Identity: command.Identity{Session: "s", User: "ann"}, Invalidate: true, At: h.at(1)})

	require.Equal(t, []*Conn{ann, bob}, ef.Ended)
	require.Equal(t, []*Conn{other}, h.Conns(userKey("ann")))
}

func userKey(id string) command.Key { return command.Key{Kind: command.User, ID: id} }
