package hub

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLedgerIsBounded: the oldest entries are dropped.
func TestLedgerIsBounded(t *testing.T) {
	var l ledger[int]
	now := newClock().now
	const extra = 100
	for i := range maxLedger + extra {
		l.note(fmt.Sprint(i), i, now.Add(time.Hour), now)
	}

	require.Len(t, l.entries, maxLedger)
	require.Equal(t, maxLedger, l.order.Len())
	_, listed := l.look(fmt.Sprint(extra-1), now)
	require.False(t, listed)
	v, listed := l.look(fmt.Sprint(extra), now)
	require.True(t, listed)
	require.Equal(t, extra, v)
}

// TestLedgerExpires: expired entries are dropped when others are added.
func TestLedgerExpires(t *testing.T) {
	var l ledger[int]
	clock := newClock()
	l.note("a", 1, clock.now.Add(time.Hour), clock.now)
	clock.pass(time.Hour)
	_, listed := l.look("a", clock.now)
	require.True(t, listed)
	_, listed = l.look("", clock.now)
	require.False(t, listed)

	clock.pass(time.Second)
	_, listed = l.look("a", clock.now)
	require.False(t, listed)
	l.note("b", 2, time.Time{}, clock.now)
	require.Len(t, l.entries, 1)
	require.Equal(t, 1, l.order.Len())
	clock.pass(1e6 * time.Hour)
	_, listed = l.look("b", clock.now)
	require.True(t, listed, "without a time it is forever")
}

// TestLedgerKeepsTheLatest: an entry that is noted again is the latest.
func TestLedgerKeepsTheLatest(t *testing.T) {
	var l ledger[int]
	now := newClock().now
	for i := range maxLedger {
		l.note(fmt.Sprint(i), i, time.Time{}, now)
	}
	l.note("0", -1, time.Time{}, now)
	l.note("new", 1, time.Time{}, now)

	v, listed := l.look("0", now)
	require.True(t, listed)
	require.Equal(t, -1, v)
	_, listed = l.look("1", now)
	require.False(t, listed)
	require.Len(t, l.entries, maxLedger)
}

// TestLoginThatChangesConnections: a login whose cookie was written before a Revoke that ran first counts, as its
// connections do.
func TestLoginThatChangesConnections(t *testing.T) {
	clock := newClock()
	h := New(clock.config())
	c, _ := admit(t, h, Identity{"s", ""})
	written := clock.now.Add(-2 * time.Second)
	h.Revoke(Revoke{Key: Key{User, "ann"}, Lasting: true})

	to := Identified{Identity: Identity{"s2", "ann"}, Proven: written}
	_, err := h.Rebind(Rebind{From: Identity{"s", ""}, To: to})
	require.NoError(t, err)

	prove(t, h, c, to)
	require.True(t, h.LoginCounts(to.Identity, written))
	require.False(t, h.LoginCounts(Identity{"s3", "ann"}, written))
}
