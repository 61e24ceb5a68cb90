package hub

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

// TestMergeEffects: which connections are outdated and which end.
func TestMergeEffects(t *testing.T) {
	now := newClock().now
	ann := command.Identity{Session: "s", User: "ann"}
	for name, c := range map[string]struct {
		entry           ledger.Entry
		conn            command.Identified
		outdated, ended bool
	}{
		"given up":                   {ledger.Entry{Kind: ledger.GivenUp, ID: "s"}, command.Identified{Identity: ann}, true, false},
		"revoked":                    {ledger.Entry{Kind: ledger.Revoked, ID: "s"}, command.Identified{Identity: ann}, false, true},
		"another session":            {ledger.Entry{Kind: ledger.Revoked, ID: "s2"}, command.Identified{Identity: ann}, false, false},
		"login cut off":              {ledger.Entry{Kind: ledger.CutOff, ID: "ann"}, command.Identified{Identity: ann, LoginTime: now}, false, true},
		"login later than cut off":   {ledger.Entry{Kind: ledger.CutOff, ID: "ann"}, command.Identified{Identity: ann, LoginTime: now.Add(2 * time.Second)}, false, false},
		"login of unknown time":      {ledger.Entry{Kind: ledger.CutOff, ID: "ann"}, command.Identified{Identity: ann}, true, false},
		"exempt":                     {ledger.Entry{Kind: ledger.CutOff, ID: "ann", Exempt: []string{"s"}}, command.Identified{Identity: ann, LoginTime: now}, false, false},
		"exempt, unknown time":       {ledger.Entry{Kind: ledger.CutOff, ID: "ann", Exempt: []string{"s"}}, command.Identified{Identity: ann}, false, false},
		"changed":                    {ledger.Entry{Kind: ledger.Changed, ID: "s", To: command.Identified{Identity: ann}}, command.Identified{Identity: ann}, false, false},
		"in place, the same user":    {ledger.Entry{Kind: ledger.Changed, ID: "s", To: command.Identified{Identity: ann}, InPlace: true}, command.Identified{Identity: ann}, false, false},
		"in place, another user":     {ledger.Entry{Kind: ledger.Changed, ID: "s", To: command.Identified{Identity: command.Identity{Session: "s"}}, InPlace: true}, command.Identified{Identity: ann}, true, false},
		"without an id":              {ledger.Entry{Kind: ledger.Revoked}, command.Identified{}, false, false},
		"of an unknown kind":         {ledger.Entry{Kind: 100, ID: "s"}, command.Identified{Identity: ann}, false, false},
		"changed, with another id":   {ledger.Entry{Kind: ledger.Changed, ID: "s", InPlace: true}, command.Identified{Identity: ann}, false, false},
		"expired":                    {ledger.Entry{Kind: ledger.Revoked, ID: "s", Until: now.Add(-time.Second)}, command.Identified{Identity: ann}, false, false},
		"given up, replaced by none": {ledger.Entry{Kind: ledger.GivenUp, ID: "s", To: command.Identified{}}, command.Identified{Identity: ann}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newLate(t)
			conn := new(Conn)
			_, err := h.Admit(conn, c.conn, 0)
			require.NoError(t, err)
			c.entry.At = h.at(1)
			if c.entry.Until.IsZero() {
				c.entry.Until = h.clock.now.Add(time.Hour)
			}

			var want Effects
			if c.outdated {
				want.Outdated = []*Conn{conn}
			}
			if c.ended {
				want.Ended = []*Conn{conn}
			}
			require.Equal(t, want, h.Merge([]ledger.Entry{c.entry}))
			for _, conn := range want.Outdated {
				h.Forget(conn)
			}
			require.Equal(t, Effects{}, h.Merge([]ledger.Entry{c.entry}), "again")
			if c.entry.Kind == ledger.CutOff { // of a connection that has come back
				_, err := h.Admit(new(Conn), c.conn, 0)
				require.NoError(t, err)
				require.Equal(t, Effects{}, h.Merge([]ledger.Entry{c.entry}), "again")
			}
		})
	}
}

// TestMergeOutdatesClaims: a connection that claims a session that was given up,
// or has another user, is outdated. If the session was revoked, it ends.
func TestMergeOutdatesClaims(t *testing.T) {
	for _, entry := range []ledger.Entry{
		{Kind: ledger.GivenUp, ID: "s2"},
		{Kind: ledger.Changed, ID: "s2", To: command.Identified{Identity: command.Identity{Session: "s2", User: "bob"}}, InPlace: true},
	} {
		h := newLate(t)
		c := h.conn("s", "", "1")
		h.rebind(1, "s", "s2", "ann")
		requireClaim(t, c, "s2", "ann")
		entry.At = h.at(2)

		require.Equal(t, []*Conn{c}, h.Merge([]ledger.Entry{entry}).Outdated)
	}
	h := newLate(t)
	c := h.conn("s", "", "1")
	h.rebind(1, "s", "s2", "ann")
	require.Equal(t, []*Conn{c}, h.Merge([]ledger.Entry{{Kind: ledger.Revoked, ID: "s2", At: h.at(2)}}).Ended)
}

// TestMergeOutdatesMoved: a connection that has changed since, and would not
// have the user if the entry had been known, is outdated.
func TestMergeOutdatesMoved(t *testing.T) {
	for name, entry := range map[string]ledger.Entry{
		"logout":  {Kind: ledger.GivenUp, ID: "s", To: command.Identified{Identity: command.Identity{Session: "s2"}}},
		"cut off": {Kind: ledger.CutOff, ID: "ann"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newLate(t)
			moved := h.conn("s", "ann", "1")
			cmd := h.rebindCommand(2, "s", "s3", "ann")
			cmd.To.LoginTime = cmd.At.Wall()
			_, err := h.Rebind(cmd)
			require.NoError(t, err)
			h.conn("s3", "ann", "2")
			entry.At = h.at(1)

			require.Equal(t, Effects{Outdated: []*Conn{moved}}, h.Merge([]ledger.Entry{entry}))
		})
	}
}

// TestMergeEndsMoved: a connection that has changed since the session was
// revoked ends.
func TestMergeEndsMoved(t *testing.T) {
	h := newLate(t)
	moved := h.conn("s", "ann", "1")
	h.rebind(3, "s", "s3", "ann")
	h.conn("s3", "ann", "2")
	first := []ledger.Entry{{Kind: ledger.Revoked, ID: "s2", At: h.at(2)}}
	second := []ledger.Entry{{Kind: ledger.GivenUp, ID: "s", To: command.Identified{Identity: command.Identity{Session: "s2", User: "ann"}}, At: h.at(1)}}

	require.Equal(t, Effects{}, h.Merge(first))
	require.Equal(t, []*Conn{moved}, h.Merge(second).Ended)

	h = newLate(t)
	moved = h.conn("s", "ann", "1")
	h.rebind(3, "s", "s3", "ann")
	h.conn("s3", "ann", "2")
	require.Equal(t, Effects{}, h.Merge(second))
	require.Equal(t, []*Conn{moved}, h.Merge(first).Ended)
}

// TestMergeObservesClocks: the clock is later than the entries.
func TestMergeObservesClocks(t *testing.T) {
	h := newLate(t)
	h.Merge([]ledger.Entry{{Kind: ledger.CutOff, ID: "ann", At: h.at(3600)}})
	require.True(t, h.at(3600).Before(h.Clock()))
}

// TestMergeTellsPresence: a connection that ends is not present any more.
func TestMergeTellsPresence(t *testing.T) {
	clock := newClock()
	config := clock.config()
	config.WatchPresence, config.TrackEntries = true, true
	h := New(config)
	c, _ := admit(t, h, command.Identity{Session: "s"})
	h.Show(seatOf(c, h.Namespace("/a", false), "1"))
	for h.BeginNotifying() {
		_, _ = h.NextTransition()
		_, _ = h.NextTransition()
	}
	for len(h.TakeChanges(nil)) > 0 {
	}

	ef := h.Merge([]ledger.Entry{{Kind: ledger.Revoked, ID: "s", At: command.Clock{Time: 1}}})

	require.Equal(t, []*Conn{c}, ef.Ended)
	require.True(t, ef.Presence.Notify)
	require.True(t, ef.Presence.Changes)
}

// TestLedgerOutlivesHub: a hub that has merged the entries of an earlier one
// refuses what that refused.
func TestLedgerOutlivesHub(t *testing.T) {
	clock := newClock()
	before, after := New(clock.config()), New(clock.config()) // single processes
	until := clock.now.Add(time.Hour)
	_, err := before.Rebind(command.Rebind{From: command.Identity{Session: "s"}, To: command.Identified{Identity: command.Identity{Session: "s2", User: "ann"}}, Until: until})
	require.NoError(t, err)
	before.Revoke(command.Revoke{Key: command.Key{Kind: command.Session, ID: "s3"}, Invalidate: true, Until: until})
	before.Revoke(command.Revoke{Key: command.Key{Kind: command.User, ID: "bob"}, Except: "s4", Invalidate: true, Until: until})
	before.Revoke(command.Revoke{Key: command.Key{Kind: command.Session, ID: "gone"}, Invalidate: true, Until: clock.now.Add(time.Second)})
	clock.advance(time.Minute)

	entries := before.Ledger()
	require.Equal(t, Effects{}, after.Merge(entries))

	require.Len(t, entries, 3)
	require.Equal(t, entries, after.Ledger())
	for _, session := range []string{"s", "s2", "s3", "s4", "gone"} {
		want, retired := before.Retired(session)
		got, alsoRetired := after.Retired(session)
		require.Equal(t, want, got)
		require.Equal(t, retired, alsoRetired)
		id := command.Identity{Session: session, User: "bob"}
		require.Equal(t, before.LoginCounts(id, newClock().now), after.LoginCounts(id, newClock().now))
	}
	require.True(t, before.Clock().Before(after.Clock()) || before.Clock().Time-after.Clock().Time < 10)
}

// TestEntriesAreValues: an entry has no pointer.
func TestEntriesAreValues(t *testing.T) {
	typ := reflect.TypeFor[ledger.Entry]()
	for i := range typ.NumField() {
		require.NotContains(t, []reflect.Kind{reflect.Pointer, reflect.Map, reflect.Interface, reflect.Func, reflect.Chan}, typ.Field(i).Type.Kind())
	}
}

// TestLedgerWhileItChanges: other commands are applied while a full ledger is
// read. The list has all entries that are there all the time.
func TestLedgerWhileItChanges(t *testing.T) {
	h := New(newClock().config())
	revoke := func(session string) {
		h.Revoke(command.Revoke{Key: command.Key{Kind: command.Session, ID: session}, Invalidate: true})
	}
	const n = 20_000
	for i := range n {
		revoke(fmt.Sprint(i))
	}

	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range n {
			revoke(fmt.Sprint(i % 100)) // the oldest ones become the newest
		}
	})
	entries := h.Ledger()
	wg.Wait()

	listed := make(map[string]bool)
	for _, e := range entries {
		listed[e.ID] = true
	}
	require.Len(t, listed, n)
}

// BenchmarkLedger reads and merges a full ledger.
func BenchmarkLedger(b *testing.B) {
	config := newClock().config()
	config.Node = "here"
	h := New(config)
	for i := range ledger.MaxEntries {
		from, to := command.Identity{Session: fmt.Sprint(i)}, command.Identity{Session: fmt.Sprint(i, "to"), User: "ann"}
		_, err := h.Rebind(command.Rebind{From: from, To: command.Identified{Identity: to}})
		require.NoError(b, err)
	}
	entries := h.Ledger()
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			_ = h.Ledger()
		}
	})
	b.Run("portion", func(b *testing.B) {
		walk := h.ledger.Walk()
		defer walk.End()
		list := make([]ledger.Entry, 0, 2*ledger.PortionSize)
		for b.Loop() {
			if _, more := walk.Next(list); !more {
				walk.End()
				walk = h.ledger.Walk()
			}
		}
	})
	b.Run("merge portion", func(b *testing.B) {
		for b.Loop() {
			other := New(config)
			other.Merge(entries[:ledger.PortionSize])
		}
	})
}
