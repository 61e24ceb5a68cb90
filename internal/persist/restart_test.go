package persist

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	hubledger "github.com/mojosocket/mojo/internal/hub/ledger"
)

// A hub that is made with what others have stored knows what they knew: which
// session ids are not valid, since when and why, and which logins. So it is for
// one process, and for two that apply each other's commands, late or at once.
func TestHubAfterRestart(t *testing.T) {
	for _, nodes := range [][]string{{""}, {"a"}, {"a", "b"}} {
		for seed := range uint64(500) {
			c := newCourse(nodes, seed)
			for range 40 {
				c.step(t)
			}
			c.deliver()
			c.restart(t, fmt.Sprintf("nodes %q, seed %d", nodes, seed))
		}
	}
}

// course is a random course of commands on one or more hubs, and what they have
// stored.
type course struct {
	random *rand.Rand
	now    time.Time
	hubs   []*hub.Hub
	nodes  []string
	sent   [][]any    // commands that a hub has not applied yet, by the hub
	known  [][]string // session ids that browsers have when they come to a hub, by the hub
	stored []hubledger.Entry
	logins []login
	ids    int
}

// login is a login cookie that was written.
type login struct {
	command.Identity
	at time.Time
}

func newCourse(nodes []string, seed uint64) *course {
	c := &course{random: rand.New(rand.NewPCG(seed, 0)), now: time.Unix(1_700_000_000, 0), nodes: nodes, sent: make([][]any, len(nodes))}
	for _, node := range nodes {
		c.known = append(c.known, []string{"s0"})
		c.hubs = append(c.hubs, c.newHub(node))
	}
	return c
}

func (c *course) newHub(node string) *hub.Hub {
	return hub.New(hub.Config{Node: node, Journal: true, Now: func() time.Time { return c.now }})
}

func (c *course) session(i int) string { return c.known[i][c.random.IntN(len(c.known[i]))] }
func (c *course) user() string         { return []string{"ann", "bob"}[c.random.IntN(2)] }

// step applies a command on one of the hubs.
func (c *course) step(t *testing.T) {
	t.Helper()
	pause := []time.Duration{0, time.Millisecond, 300 * time.Millisecond, time.Second, 31 * time.Second}[c.random.IntN(5)]
	if pause > time.Second {
		c.deliver() // no command is as late as that
	}
	c.now = c.now.Add(pause)
	i := c.random.IntN(len(c.hubs))
	h, until := c.hubs[i], c.now.Add(time.Hour)
	var at command.Clock
	if c.nodes[i] != "" {
		at = h.Clock()
	}
	var cmd any
	var ef hub.Effects
	switch n := c.random.IntN(6); n {
	case 0, 1, 2: // a login or a logout
		from, other := c.session(i), c.session(i)
		c.ids++
		to := command.Identified{Identity: command.Identity{Session: fmt.Sprint("s", c.ids)}, LoginTime: time.Unix(c.now.Unix(), 0)}
		if n > 0 {
			to.User = c.user()
			c.logins = append(c.logins, login{to.Identity, to.LoginTime})
		}
		rebind := command.Rebind{From: command.Identity{Session: from}, To: to, Until: until, At: at}
		if n == 2 && other != from {
			rebind.Others = []string{other}
		}
		var err error
		ef, err = h.Rebind(rebind)
		require.NoError(t, err)
		cmd = rebind
		c.known[i] = append(c.known[i], to.Session)
	case 3, 4:
		revoke := command.Revoke{Key: command.Key{Kind: command.User, ID: c.user()}, Invalidate: true, Until: until, At: at}
		if n == 4 {
			revoke.Except = c.session(i)
		}
		ef = h.Revoke(revoke)
		cmd = revoke
	case 5:
		revoke := command.Revoke{Key: command.Key{Kind: command.Session, ID: c.session(i)}, Invalidate: true, Until: until, At: at}
		ef = h.Revoke(revoke)
		cmd = revoke
	}
	c.stored = append(c.stored, ef.Journal...)
	for other := range c.hubs {
		if other != i {
			c.sent[other] = append(c.sent[other], cmd)
		}
	}
	if c.random.IntN(3) == 0 {
		c.deliver()
	}
}

// deliver lets the hubs apply the commands of each other.
func (c *course) deliver() {
	for i, h := range c.hubs {
		for _, cmd := range c.sent[i] {
			var ef hub.Effects
			switch cmd := cmd.(type) {
			case command.Rebind:
				ef, _ = h.Rebind(cmd)
				c.known[i] = append(c.known[i], cmd.To.Session)
			case command.Revoke:
				ef = h.Revoke(cmd)
			}
			c.stored = append(c.stored, ef.Journal...) // none: the other one has it
		}
		c.sent[i] = nil
	}
}

// restart compares a new hub with those before.
func (c *course) restart(t *testing.T, name string) {
	t.Helper()
	l := &loading{now: c.now}
	for _, i := range c.random.Perm(len(c.stored)) {
		r, err := recordOf(c.stored[i])
		require.NoError(t, err)
		l.add(&r)
	}
	l.keepLatest()
	after := c.newHub(c.nodes[0])
	require.Equal(t, hub.Effects{}, after.Merge(l.withChanges()))
	for _, before := range c.hubs {
		for i := range c.ids + 1 {
			session := fmt.Sprint("s", i)
			want, wasRetired := before.Retired(session)
			got, isRetired := after.Retired(session)
			require.Equal(t, wasRetired, isRetired, "%s, %s", name, session)
			require.Equal(t, want, got, "%s, %s", name, session)
		}
		for _, l := range c.logins {
			require.Equal(t, before.LoginCounts(l.Identity, l.at), after.LoginCounts(l.Identity, l.at), "%s, %v", name, l)
		}
	}
}
