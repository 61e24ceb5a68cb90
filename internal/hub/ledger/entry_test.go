package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWalk: a walk visits all entries in portions, also while entries are
// replaced and removed.
func TestWalk(t *testing.T) {
	l := newLedger()
	const n = 3 * PortionSize
	for i := range n {
		id := fmt.Sprint(i)
		l.GiveUp(id, session("to", ""), at(1), time.Time{})
		l.CutOff(id, nil, at(1), time.Time{})
		l.AddChange(Change{At: at(1), To: session(id, "")}, time.Time{})
	}
	l.RevokeSession("expired", at(1), l.Now().Add(-time.Second))

	w := l.Walk()
	visited := make(map[string]bool)
	more, portions := true, 0
	for more {
		var list []Entry
		list, more = w.Next(nil)
		require.LessOrEqual(t, len(list), 3*PortionSize)
		for _, e := range list {
			visited[fmt.Sprint(e.Kind, e.ID)] = true
		}
		if portions++; portions == 1 {
			l.RevokeSession("0", at(1), time.Time{})                       // visited
			l.RevokeSession(fmt.Sprint(PortionSize), at(1), time.Time{})   // the next one
			l.RevokeSession(fmt.Sprint(PortionSize+2), at(1), time.Time{}) // not visited
		}
	}
	w.End()

	require.GreaterOrEqual(t, portions, 8)
	require.Len(t, visited, 3*n+3)
	require.Empty(t, l.sessions.walks)
	require.Empty(t, l.logins.walks)
	require.Empty(t, l.changed.walks)
}
