package hub

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/ledger"
)

// TestJournal: what commands add to the ledger is in their effects.
func TestJournal(t *testing.T) {
	c := newCounter(t, "a")
	ann := command.Identified{Identity: command.Identity{Session: "s2", User: "ann"}, LoginTime: c.now}

	revoke, at := c.revoke(command.Key{Kind: command.User, ID: "ann"}, "s0")
	require.Equal(t, []ledger.Entry{{Kind: ledger.CutOff, ID: "ann", At: at, Until: c.until, Exempt: []string{"s0"}}}, revoke.Journal)

	ef, err := c.hub.Rebind(command.Rebind{From: command.Identity{Session: "s"}, Others: []string{"s1", "s2"}, To: ann, Until: c.until, At: c.next()})
	require.NoError(t, err)
	require.Equal(t, []ledger.Entry{
		{Kind: ledger.CutOff, ID: "ann", At: at, Until: c.until, Exempt: []string{"s2"}}, // the login of the same second
		{Kind: ledger.GivenUp, ID: "s", At: c.last, Until: c.until, To: ann},
		{Kind: ledger.GivenUp, ID: "s1", At: c.last, Until: c.until, To: ann},
	}, ef.Journal)

	revoke, at = c.revoke(command.Key{Kind: command.Session, ID: "s2"}, "")
	require.Equal(t, []ledger.Entry{{Kind: ledger.Revoked, ID: "s2", At: at, Until: c.until}}, revoke.Journal)
	identity := c.hub.RevokeIdentity(command.RevokeIdentity{Identity: command.Identity{Session: "s3"}, Invalidate: true, Until: c.until, At: c.next()})
	require.Equal(t, []ledger.Entry{{Kind: ledger.Revoked, ID: "s3", At: c.last, Until: c.until}}, identity.Journal)

	require.Empty(t, c.hub.Revoke(command.Revoke{Key: command.Key{Kind: command.User, ID: "ann"}, At: c.next()}).Journal, "the ids stay valid")
	require.Empty(t, c.hub.Revoke(command.Revoke{Namespace: "/a", Key: command.Key{Kind: command.User, ID: "ann"}, Invalidate: true, At: c.next()}).Journal)
}

// TestJournalOfOthers: commands and entries of other processes are in their
// journals, and a hub without Config.Journal has none.
func TestJournalOfOthers(t *testing.T) {
	c := newCounter(t, "a")
	at := command.Clock{Time: c.now.UnixNano(), Node: "b"}
	revoke := command.Revoke{Key: command.Key{Kind: command.User, ID: "ann"}, Invalidate: true, Until: c.until, At: at}
	require.Empty(t, c.hub.Revoke(revoke).Journal)
	require.Empty(t, c.hub.Merge([]ledger.Entry{{Kind: ledger.Revoked, ID: "s", At: at, Until: c.until}}).Journal)
	ef, err := c.hub.Rebind(command.Rebind{From: command.Identity{Session: "s"}, At: at})
	require.NoError(t, err)
	require.Empty(t, ef.Journal)
	revoke.At = c.next()
	require.Len(t, c.hub.Revoke(revoke).Journal, 1, "its own alone")

	h := New(newClock().config())
	require.Empty(t, h.Revoke(command.Revoke{Key: command.Key{Kind: command.User, ID: "ann"}, Invalidate: true}).Journal)
}

// counter is a hub with a journal, and the clocks of commands that are made in
// its process.
type counter struct {
	hub   *Hub
	now   time.Time
	until time.Time
	last  command.Clock
}

func newCounter(t *testing.T, node string) *counter {
	t.Helper()
	clock := newClock()
	config := clock.config()
	config.Node, config.Journal = node, true
	return &counter{hub: New(config), now: clock.now, until: clock.now.Add(time.Hour)}
}

func (c *counter) next() command.Clock {
	c.last = c.hub.Clock()
	return c.last
}

func (c *counter) revoke(key command.Key, except string) (Effects, command.Clock) {
	return c.hub.Revoke(command.Revoke{Key: key, Except: except, Invalidate: true, Until: c.until, At: c.next()}), c.last
}
