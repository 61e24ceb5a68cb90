package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
)

func newLedger() *Ledger {
	now := time.Now()
	return &Ledger{Now: func() time.Time { return now }}
}

func at(n int64) command.Clock { return command.Clock{Time: n * int64(time.Second), Node: "n"} }

func session(id, user string) command.Identified {
	return command.Identified{Identity: command.Identity{Session: id, User: user}}
}

// TestGivenUpAndRevoked: an id can be both, in any order, and is revoked then.
func TestGivenUpAndRevoked(t *testing.T) {
	for _, revokeFirst := range []bool{true, false} {
		l := newLedger()
		soon, later := l.Now().Add(time.Minute), l.Now().Add(time.Hour)
		if revokeFirst {
			l.RevokeSession("s", at(1), soon)
		}
		l.GiveUp("s", session("s2", "ann"), at(2), later)
		if !revokeFirst {
			l.RevokeSession("s", at(1), soon)
		}
		l.RevokeSession("s", at(0), soon)

		entry, listed := l.Session("s")
		require.True(t, listed)
		require.Equal(t, Session{Since: at(1).Wall(), Revoked: true}, entry)
		r, _ := l.Retirement("s")
		require.Equal(t, Retirement{GivenUp: at(2), To: session("s2", "ann"), Revoked: at(1)}, r)
		require.True(t, r.Ends())
		require.Equal(t, later, l.sessions.find("s", l.Now()).until)
	}
}

// TestCutOffKeepsTheLater: of two clocks the later one counts, and the lists of
// equal ones are merged.
func TestCutOffKeepsTheLater(t *testing.T) {
	l := newLedger()
	require.True(t, l.CutOff("ann", []string{"a"}, at(2), time.Time{}))
	require.False(t, l.CutOff("ann", []string{"b"}, at(1), time.Time{}))
	require.False(t, l.CutOff("ann", []string{"a", "c"}, at(2), time.Time{}))
	for id, counts := range map[string]bool{"a": true, "b": false, "c": true} {
		require.Equal(t, counts, l.LoginCounts(command.Identity{Session: id, User: "ann"}, at(1).Wall()), id)
	}

	require.True(t, l.CutOff("ann", []string{"b"}, at(3), time.Time{}))
	for id, counts := range map[string]bool{"a": false, "b": true, "c": false} {
		require.Equal(t, counts, l.LoginCounts(command.Identity{Session: id, User: "ann"}, at(1).Wall()), id)
	}
}

// TestChangedKeepsTheLater: of two changes the later one is kept.
func TestChangedKeepsTheLater(t *testing.T) {
	l := newLedger()
	require.True(t, l.AddChange(Change{At: at(2), To: session("s", "ann")}, time.Time{}))
	require.False(t, l.AddChange(Change{At: at(1), To: session("s", "bob")}, time.Time{}))
	require.False(t, l.AddChange(Change{At: at(2), To: session("s", "bob")}, time.Time{}))

	c, listed := l.Changed("s")
	require.True(t, listed)
	require.Equal(t, Change{At: at(2), To: session("s", "ann")}, c)
}
