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

// TestSelectByID: the ids of a selector add the seats that have them, once, and
// a room whose name is an id is another thing.
func TestSelectByID(t *testing.T) {
	h := New(newClock().config())
	n := h.Namespace("/a", false)
	var seats []*Seat
	for _, id := range []string{"1", "2", "3"} {
		c, _ := admit(t, h, command.Identity{})
		s := seatOf(c, n, id)
		h.Show(s)
		seats = append(seats, s)
	}
	require.NoError(t, h.JoinSeat(seats[0], []string{"room", "3"}))
	room := []command.Key{{Kind: command.Room, ID: "room"}}
	for name, c := range map[string]struct {
		sel  command.Selector
		want []*Seat
	}{
		"a room":            {command.Selector{Keys: room}, seats[:1]},
		"ids as well":       {command.Selector{Keys: room, IDs: []string{"1", "2", "unknown"}}, seats[:2]},
		"an id, and except": {command.Selector{Keys: room, IDs: []string{"2"}, Except: room}, seats[1:2]},
		"a room, no id":     {command.Selector{Keys: []command.Key{{Kind: command.Room, ID: "3"}}}, seats[:1]},
		"ids without keys":  {command.Selector{IDs: []string{"2"}}, seats},
	} {
		t.Run(name, func(t *testing.T) {
			c.sel.Namespace = "/a"
			require.ElementsMatch(t, c.want, h.Select(&c.sel))
		})
	}
	require.True(t, h.Occupied("/a", command.Key{Kind: command.Room, ID: "2"}))
	require.True(t, h.Occupied("/a", room[0]))
	require.True(t, h.Occupied("/a", command.Key{}))
	require.False(t, h.Occupied("/a", command.Key{Kind: command.Room, ID: "nowhere"}))
	require.False(t, h.Occupied("/b", command.Key{}))
}
