package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLedgerIsBounded: the oldest entries are dropped.
func TestLedgerIsBounded(t *testing.T) {
	var l entries[int]
	now := time.Now()
	const extra = 100
	for i := range Max + extra {
		l.note(fmt.Sprint(i), i, now.Add(time.Hour), now)
	}

	require.Len(t, l.byID, Max)
	require.Equal(t, Max, l.order.Len())
	_, listed := l.look(fmt.Sprint(extra-1), now)
	require.False(t, listed)
	v, listed := l.look(fmt.Sprint(extra), now)
	require.True(t, listed)
	require.Equal(t, extra, v)
}

// TestLedgerExpires: expired entries are dropped when others are added.
func TestLedgerExpires(t *testing.T) {
	var l entries[int]
	now := time.Now()
	l.note("a", 1, now.Add(time.Hour), now)
	now = now.Add(time.Hour)
	_, listed := l.look("a", now)
	require.True(t, listed)
	_, listed = l.look("", now)
	require.False(t, listed)

	now = now.Add(time.Second)
	_, listed = l.look("a", now)
	require.False(t, listed)
	l.note("b", 2, time.Time{}, now)
	require.Len(t, l.byID, 1)
	require.Equal(t, 1, l.order.Len())
	now = now.Add(1e6 * time.Hour)
	_, listed = l.look("b", now)
	require.True(t, listed, "without a time it is forever")
}

// TestLedgerKeepsTheLatest: an entry that is noted again is the latest.
func TestLedgerKeepsTheLatest(t *testing.T) {
	var l entries[int]
	now := time.Now()
	for i := range Max {
		l.note(fmt.Sprint(i), i, time.Time{}, now)
	}
	l.note("0", -1, time.Time{}, now)
	l.note("new", 1, time.Time{}, now)

	v, listed := l.look("0", now)
	require.True(t, listed)
	require.Equal(t, -1, v)
	_, listed = l.look("1", now)
	require.False(t, listed)
	require.Len(t, l.byID, Max)
}
