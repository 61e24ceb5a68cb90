package hub

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

// TestClock: a value is at least the time of now, and later than all values
// that were given or observed, also if the time goes back.
func TestClock(t *testing.T) {
	clock := newClock()
	config := clock.config()
	config.Node = "here"
	h := New(config)

	first := h.Clock()
	require.Equal(t, command.Clock{Time: clock.now.UnixNano(), Node: "here"}, first)
	second := h.Clock()
	require.True(t, first.Before(second))

	clock.advance(time.Second)
	third := h.Clock()
	require.Equal(t, clock.now.UnixNano(), third.Time)

	clock.advance(-time.Hour)
	fourth := h.Clock()
	require.True(t, third.Before(fourth))

	remote := command.Clock{Time: clock.now.Add(2 * time.Hour).UnixNano(), Node: "there"}
	h.Revoke(command.Revoke{Key: command.Key{Kind: command.User, ID: "u"}, At: remote})
	fifth := h.Clock()
	require.True(t, remote.Before(fifth))

	h.Revoke(command.Revoke{Key: command.Key{Kind: command.User, ID: "u"}, At: first})
	require.True(t, fifth.Before(h.Clock()), "an earlier clock changes nothing")
}
