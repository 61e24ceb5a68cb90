package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLedgerIsBounded: the oldest entries are removed.
func TestLedgerIsBounded(t *testing.T) {
	var l entries[int]
	now := time.Now()
	const extra = 100
	for i := range MaxEntries + extra {
		l.add(fmt.Sprint(i), i, now.Add(time.Hour), now)
	}

	require.Len(t, l.byID, MaxEntries)
	require.Equal(t, MaxEntries, l.order.Len())
	_, listed := l.get(fmt.Sprint(extra-1), now)
	require.False(t, listed)
	v, listed := l.get(fmt.Sprint(extra), now)
	require.True(t, listed)
	require.Equal(t, extra, v)
}

// TestLedgerExpires: expired entries are removed when others are added.
func TestLedgerExpires(t *testing.T) {
	var l entries[int]
	now := time.Now()
	l.add("a", 1, now.Add(time.Hour), now)
	now = now.Add(time.Hour)
	_, listed := l.get("a", now)
	require.True(t, listed)
	_, listed = l.get("", now)
	require.False(t, listed)

	now = now.Add(time.Second)
	_, listed = l.get("a", now)
	require.False(t, listed)
	l.add("b", 2, time.Time{}, now)
	require.Len(t, l.byID, 1)
	require.Equal(t, 1, l.order.Len())
	now = now.Add(1e6 * time.Hour)
	_, listed = l.get("b", now)
	require.True(t, listed, "an entry without a time does not expire")
}

// TestAddAgain: an entry that is added again becomes the newest.
func TestAddAgain(t *testing.T) {
	var l entries[int]
	now := time.Now()
	for i := range MaxEntries {
		l.add(fmt.Sprint(i), i, time.Time{}, now)
	}
	l.add("0", -1, time.Time{}, now)
	l.add("new", 1, time.Time{}, now)

	v, listed := l.get("0", now)
	require.True(t, listed)
	require.Equal(t, -1, v)
	_, listed = l.get("1", now)
	require.False(t, listed)
	require.Len(t, l.byID, MaxEntries)
}
