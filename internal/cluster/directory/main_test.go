package directory

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func session(id string) command.Key { return command.Key{Kind: command.Session, ID: id} }
func user(id string) command.Key    { return command.Key{Kind: command.User, ID: id} }

func begins(namespace string, k command.Key) Transition {
	return Transition{presence.Key{Namespace: namespace, Key: k}, true}
}

func ends(namespace string, k command.Key) Transition {
	return Transition{presence.Key{Namespace: namespace, Key: k}, false}
}

// add adds a node under a name that none has.
func add(t testing.TB, d *Directory, name string) *Node {
	t.Helper()
	n, earlier := d.Add(name)
	require.Nil(t, earlier)
	return n
}

// sweep removes all entries of a node that was removed.
func sweep(d *Directory, n *Node) (out []Transition) {
	for more := true; more; {
		out, more = d.Sweep(n, out)
	}
	return out
}

// entriesOf returns the entries of a node in all shards, in order.
func entriesOf(d *Directory, n *Node) (out []Entry) {
	for shard := range Shards {
		out = d.AppendEntries(out, n, shard)
	}
	slices.SortFunc(out, compareEntries)
	return out
}

func compareEntries(a, b Entry) int {
	if a.Kind != b.Kind {
		return int(a.Kind) - int(b.Kind)
	}
	if c := strings.Compare(a.ID, b.ID); c != 0 {
		return c
	}
	return strings.Compare(a.Namespace, b.Namespace)
}

// requireEmpty requires that no shard keeps anything and nobody is counted.
func requireEmpty(t testing.TB, d *Directory) {
	t.Helper()
	for i := range d.shards {
		require.Zero(t, d.shards[i].used)
		require.Nil(t, d.shards[i].records)
		for kind, ids := range d.shards[i].ids {
			require.Nil(t, ids, kind)
		}
	}
	for _, ns := range d.tables.Load().namespaces {
		for kind := range ns.ids {
			require.Zero(t, ns.ids[kind].Load(), ns.name)
		}
	}
}
