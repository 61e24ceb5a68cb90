package processes

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	bus "github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/cluster"
	"github.com/mojosocket/mojo/internal/cluster/directory"
	"github.com/mojosocket/mojo/internal/cluster/seal"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

// crowd is the part of a node that says who is connected there: many people who
// do nothing.
type crowd struct {
	cluster.Local // nil: nobody calls its other methods

	mu      sync.Mutex
	changes []directory.Entry
}

func (c *crowd) Emit(*command.Emit)                     {}
func (c *crowd) Occupied(string, command.Key) bool      { return false }
func (c *crowd) Rooms(string) []string                  { return nil }
func (c *crowd) Sockets(*command.Selector) []bus.Socket { return nil }
func (c *crowd) DoPresenceWork(presence.Work)           {}
func (c *crowd) Ledger() []ledger.Entry                 { return nil }
func (c *crowd) Merge([]ledger.Entry)                   {}

func (c *crowd) TakeChanges(out []directory.Entry) []directory.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	out = append(out, c.changes...)
	c.changes = nil
	return out
}

// startCrowd starts a node of this process to which so many sessions are
// connected. The end of the test closes it.
func startCrowd(t testing.TB, b bus.Bus, many int) *cluster.Node {
	t.Helper()
	c := new(crowd)
	for i := range many {
		c.changes = append(c.changes, directory.Entry{
			Key: command.Key{Kind: command.Session, ID: name("one-of-many-sessions-", i)}, Namespace: e2e.ChatNamespace, Count: 1,
		})
	}
	n := cluster.New(cluster.Config{
		Name: cluster.NewName(), Bus: b, Secrets: []seal.Secret{seal.NewSecret(append(e2e.Key.Hash, e2e.Key.Block...))},
		Local: c, Log: slog.New(slog.DiscardHandler), Outbox: 16 << 20,
	})
	require.NoError(t, n.Start())
	t.Cleanup(func() { n.Close(time.Second) })
	require.NoError(t, n.Await(t.Context()))
	n.Changed()
	return n
}

// count returns how many sessions the node knows.
func (n *node) count() (sessions int) {
	n.t.Helper()
	n.call("Count", Nothing{}, &sessions)
	return sessions
}
