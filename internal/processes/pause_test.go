package processes

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
)

// A node is stopped for so long that the others drop it, and goes on. It comes
// back as a new member that has what the others have, and what was done
// meanwhile holds there.
func TestPause(t *testing.T) {
	if !e2e.Long() {
		t.Skip("the others may have a session more or less than expected afterwards; set MOJO_LONG=1")
	}
	t.Parallel()
	_, n := startCluster(t)
	a, b, c := n[0], n[1], n[2]
	for _, transport := range transports {
		c.visit(transport, transport+" stays", transport+" stays")
		a.visit(transport, transport+" stays", transport+" stays")
	}
	here := []*person{a.visit("websocket", "a", ""), b.visit("polling", "b", "")}
	revoked := c.visit("websocket", "revoked", "ann")
	alsoRevoked := c.visit("polling", "also revoked", "")
	loggedOut := c.visit("websocket", "logged out", "bob")
	const people = 3 + 2 + 3
	w := newWatch(t, n...)
	w.awaitOnline(people + 3 + 2)

	c.signal(syscall.SIGSTOP)
	stopped := time.Now()
	// While the others do not know that the node is stopped, they say that it
	// has not confirmed a change.
	result := b.change(Change{Cookie: loggedOut.cookie})
	require.Equal(t, []string{c.Name}, result.Unconfirmed, "%+v", result)
	require.Zero(t, b.emit(Emission{Event: "secret", Users: []string{"bob"}}).Failed)
	waitUntil(t, "the others have dropped the node", func() bool { return len(a.look().Nodes) == 2 && len(b.look().Nodes) == 2 })
	require.NoError(t, a.revoke(Target{User: "ann"}))
	require.NoError(t, b.revoke(Target{Session: "also revoked"}))
	require.Zero(t, a.emit(Emission{Event: "secret", Users: []string{"ann", "bob"}}).Failed)
	require.Zero(t, a.emit(Emission{Event: "secret", AnyUser: true}).Failed)
	for _, p := range here {
		require.Zero(t, p.Unread())
	}
	late := a.visit("websocket", "late", "cid")
	serveFor(t, long(30*time.Second, 8*time.Second)-time.Since(stopped), n[:2], append(here, late)...)

	c.signal(syscall.SIGCONT)

	resumed := time.Now()
	waitUntil(t, "the node has noticed", func() bool { return c.look().Stats.Cluster.Deaf < 2*time.Second })
	awaitWhole(t, n...)
	measured(t, "the node is back after", time.Since(resumed), 5*time.Second)
	for _, p := range []*person{revoked, alsoRevoked} {
		for { // what was on its way to everybody when the node was stopped may come first
			e := p.Next()
			require.NotEqual(t, "secret", e.Name)
			if e.Name == mojo.RevokedEvent {
				break
			}
		}
		p.AwaitDisconnected()
	}
	// The cookie of ann is not tested: the others did not know her session any
	// more, so that it is a guest's now.
	c.requireRefused(alsoRevoked.cookie)
	waitUntil(t, "all nodes know the same people", func() bool {
		for _, other := range n {
			view := other.look()
			if len(view.Users) != 3+1 || len(view.Sessions) != people-3+2 {
				return false
			}
		}
		return true
	})
	require.Equal(t, a.look().Sessions, c.look().Sessions)
	require.Equal(t, a.look().Users, b.look().Users)

	// The connection is not the user's any more: what is sent to the user does
	// not reach it, and what is sent to everybody does.
	for _, other := range n {
		require.Zero(t, other.emit(Emission{Event: "secret", Users: []string{"bob"}}).Failed)
		require.Zero(t, other.emit(Emission{Event: "secret", AnyUser: true}).Failed)
	}
	require.Zero(t, a.emit(Emission{Event: "end"}).Failed)
	for {
		e := loggedOut.Next()
		require.NotEqual(t, "secret", e.Name)
		if e.Name == "end" {
			break
		}
	}
}
