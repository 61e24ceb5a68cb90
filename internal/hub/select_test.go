package hub

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

// TestUnknownNamespace: in an unknown namespace a selector selects no seat,
// also if a connection has a claim.
func TestUnknownNamespace(t *testing.T) {
	h := New(newClock().config())
	c, _ := admit(t, h, command.Identity{Session: "s"})
	h.Show(seatOf(c, h.Namespace("/a", false), "1"))
	_, err := h.Rebind(command.Rebind{
		From: command.Identity{Session: "s"}, To: command.Identified{Identity: command.Identity{Session: "s2", User: "ann"}},
	})
	require.NoError(t, err)
	require.NotNil(t, c.Binding().Claim)

	for _, key := range []command.Key{{Kind: command.Room, ID: "x"}, {Kind: command.User, ID: "ann"}} {
		sel := command.Selector{Namespace: "/b", Keys: []command.Key{key}, Requires: command.User}
		require.Empty(t, h.Select(&sel))
		require.Empty(t, h.Receivers(&sel))
	}
	require.Empty(t, h.IDs("/b", command.User))
	require.Zero(t, h.Count("/b", command.User))
	require.Zero(t, h.CountUnder("/b", command.Key{Kind: command.User, ID: "ann"}))
	require.Zero(t, h.Len("/b"))
	require.Nil(t, h.Seat("/b", "1"))
	require.Empty(t, h.Online("/b", command.User, []string{"ann"}))
}
