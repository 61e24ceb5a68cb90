package hub

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

func newTracking() *Hub {
	config := newClock().config()
	config.TrackEntries = true
	return New(config)
}

// TestChanges: each change of a size is announced once, and taken in order with
// the size at that time.
func TestChanges(t *testing.T) {
	h := newTracking()
	n := h.Namespace("/a", false)
	c, _ := admit(t, h, command.Identity{Session: "s"})
	first, second := seatOf(c, n, "1"), seatOf(c, n, "2")
	session := Change{Namespace: "/a", Key: command.Key{Kind: command.Session, ID: "s"}}
	require.False(t, h.ChangesWait())

	require.True(t, h.Show(first).Changes)
	require.False(t, h.Show(second).Changes, "they were announced")
	require.True(t, h.ChangesWait())
	require.NoError(t, h.JoinSeat(first, []string{"x"}))
	require.NoError(t, h.JoinSeat(second, []string{"x"}))

	session.Count = 2
	room := Change{Namespace: "/a", Key: command.Key{Kind: command.Room, ID: "x"}, Count: 1}
	require.Equal(t, []Change{{}, session, room}, h.TakeChanges([]Change{{}}))
	require.False(t, h.ChangesWait())
	h.LeaveSeat(first, []string{"x"})
	require.Empty(t, h.TakeChanges(nil), "the room still has a seat")
	require.True(t, h.Remove(second).Changes, "a caller has taken all")

	session.Count, room.Count = 1, 0
	require.Equal(t, []Change{room, session}, h.TakeChanges(nil))
	_, err := h.Rebind(command.Rebind{From: command.Identity{Session: "s"}, To: command.Identified{Identity: command.Identity{Session: "s2", User: "u"}}})
	require.NoError(t, err)

	session.Count = 0
	require.Equal(t, []Change{
		{Namespace: Claims, Key: command.Key{Kind: command.Session, ID: "s2"}, Count: 1},
		{Namespace: Claims, Key: command.Key{Kind: command.User, ID: "u"}, Count: 1},
		session,
	}, h.TakeChanges(nil))
}

// TestTakeManyChanges: one call takes a limited number.
func TestTakeManyChanges(t *testing.T) {
	h := newTracking()
	n := h.Namespace("/a", false)
	c, _ := admit(t, h, command.Identity{})
	s := seatOf(c, n, "seat")
	for i := range MaxChanges + 1 {
		require.NoError(t, h.JoinSeat(s, []string{fmt.Sprint(i)}))
	}

	require.Len(t, h.TakeChanges(nil), MaxChanges)
	require.True(t, h.ChangesWait())
	require.Len(t, h.TakeChanges(nil), 1)
	require.False(t, h.ChangesWait())
	require.Empty(t, h.TakeChanges(nil))
}

// TestNoChanges: without Config.TrackEntries there are none, at no cost.
func TestNoChanges(t *testing.T) {
	h := New(newClock().config())
	c, _ := admit(t, h, command.Identity{Session: "s"})
	s := seatOf(c, h.Namespace("/a", false), "1")

	require.False(t, h.Show(s).Changes)
	require.NoError(t, h.JoinSeat(s, []string{"x"}))
	require.False(t, h.ChangesWait())
	require.Empty(t, h.TakeChanges(nil))
	require.Nil(t, h.changes)
}
