package directory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/race"
)

// TestConcurrent: nodes change, are removed and come back during queries.
// In the end every total is exact.
func TestConcurrent(t *testing.T) {
	rounds := map[bool]int{false: 60, true: 15}[race.Enabled]
	keys := keysOf([]int{0, 1, 2, 3}, 8)
	d := New()
	stable := add(t, d, "stable")
	d.Apply(stable, Entry{keys[0], "/chat", 2}, nil)

	var changing, asking sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		asking.Go(func() {
			var names []string
			for {
				select {
				case <-stop:
					return
				default:
				}
				if n := d.Count("/chat", keys[0]); n < 2 {
					t.Errorf("count %d of an id that is there all the time", n)
				}
				if n := d.Len("", command.Session); n < 1 || n > len(keys)/2 {
					t.Errorf("%d ids of %d", n, len(keys)/2)
				}
				seen := make(map[string]bool)
				for id := range d.IDs("", command.Session) {
					if seen[id] {
						t.Errorf("id %q twice", id)
					}
					seen[id] = true
				}
				if names = d.NodesOf(names[:0], "", keys); !slices.Contains(names, "stable") {
					t.Error("a node is missing")
				}
				if digest := stable.Digest(); digest.Entries != 1 {
					t.Errorf("%d entries of a node that has one", digest.Entries)
				}
			}
		})
	}
	for i := range 4 {
		changing.Go(func() {
			name := fmt.Sprint("node", i)
			random := rand.New(rand.NewPCG(uint64(i), 1))
			entry := func() Entry {
				return Entry{keys[random.IntN(len(keys))], modelNamespaces[random.IntN(3)], random.IntN(3)}
			}
			for range rounds {
				n, _ := d.Add(name)
				var late sync.WaitGroup
				late.Go(func() { // does not know yet that the node goes
					random := rand.New(rand.NewPCG(uint64(i), 2))
					for range 300 {
						k := keys[random.IntN(len(keys))]
						d.Apply(n, Entry{k, "/late", 1}, nil)
						d.Replace(n, ShardOf(k), []Entry{{k, "/later", 1}}, nil)
					}
				})
				for range 200 {
					d.Apply(n, entry(), nil)
				}
				d.Replace(n, 0, []Entry{entry(), entry()}, nil)
				d.AppendEntries(nil, n, 0)
				d.Remove(n)
				var sweeping sync.WaitGroup
				for range 2 {
					sweeping.Go(func() { sweep(d, n) })
				}
				sweeping.Wait()
				late.Wait()
			}
		})
	}
	changing.Wait()
	close(stop)
	asking.Wait()

	require.Equal(t, 1, d.Len("", command.Session))
	require.Equal(t, []Entry{{keys[0], "/chat", 2}}, entriesOf(d, stable))
	d.Remove(stable)
	sweep(d, stable)
	requireEmpty(t, d)
	require.Len(t, d.free, len(d.tables.Load().nodes))
}
