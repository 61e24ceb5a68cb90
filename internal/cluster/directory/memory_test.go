package directory

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/race"
)

// sessionID returns the i-th of many ids of 26 bytes.
func sessionID(i int) string {
	var b [13]byte
	binary.BigEndian.PutUint64(b[:], mix(uint64(i)))
	binary.BigEndian.PutUint32(b[8:], uint32(i))
	return hex.EncodeToString(b[:])
}

// heap returns the bytes that are in use.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// fill adds many sessions of a node.
func fill(d *Directory, n *Node, from, to int) {
	for i := from; i < to; i++ {
		d.Apply(n, Entry{session(sessionID(i)), "/chat", 1}, nil)
	}
}

// TestMemory: a remote session takes at most 160 bytes, with all that it needs,
// also where the maps have just grown, and all of it is given back.
func TestMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("takes more memory under the race detector")
	}
	const limit = 160
	before := heap()
	d := New()
	n := add(t, d, "a")
	at := 0
	for _, entries := range []int{475_000, 1_000_000} {
		fill(d, n, at, entries)
		at = entries
		bytes := float64(heap()-before) / float64(entries)
		t.Logf("%d entries: %.1f bytes each", entries, bytes)
		require.LessOrEqual(t, bytes, float64(limit))
	}
	require.Equal(t, at, d.Len("", command.Session))

	d.Remove(n)
	sweep(d, n)
	requireEmpty(t, d)
	require.Less(t, heap()-before, 4<<20)
	runtime.KeepAlive(d)
}

// full is a Directory with a million sessions on three nodes.
func full(b *testing.B) (*Directory, [3]*Node) {
	b.Helper()
	d := New()
	var nodes [3]*Node
	for i := range nodes {
		nodes[i] = add(b, d, fmt.Sprint("node", i))
		fill(d, nodes[i], i*1_000_000/3, (i+1)*1_000_000/3)
	}
	return d, nodes
}

func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		before := heap()
		d := New()
		fill(d, add(b, d, "a"), 0, 1_000_000)
		b.ReportMetric(float64(heap()-before)/1e6, "B/entry")
		runtime.KeepAlive(d)
	}
}

// keysIn returns keys that are in a full Directory, in no order.
func keysIn() []command.Key {
	keys := make([]command.Key, 1<<14)
	for i := range keys {
		keys[i] = session(sessionID(int(mix(uint64(i)) % 1_000_000)))
	}
	return keys
}

func BenchmarkNodesOf(b *testing.B) {
	d, _ := full(b)
	keys := keysIn()
	names := make([]string, 0, 8)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := i % len(keys)
		names = d.NodesOf(names[:0], "/chat", keys[at:at+1])
	}
	require.Len(b, names, 1)
}

// BenchmarkNodesOfParallel is BenchmarkNodesOf on all cores.
func BenchmarkNodesOfParallel(b *testing.B) {
	d, _ := full(b)
	keys := keysIn()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		names := make([]string, 0, 8)
		for i := 0; pb.Next(); i++ {
			at := i % len(keys)
			names = d.NodesOf(names[:0], "/chat", keys[at:at+1])
		}
	})
}

func BenchmarkHas(b *testing.B) {
	d, _ := full(b)
	keys := keysIn()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.Has("", keys[i%len(keys)])
	}
}

// BenchmarkApply adds and removes entries of a full Directory.
func BenchmarkApply(b *testing.B) {
	d, nodes := full(b)
	keys := keysIn()
	for i := range keys {
		keys[i].ID = "new" + keys[i].ID[3:]
	}
	var out []Transition
	b.Run("count", func(b *testing.B) {
		in := keysIn()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			out = d.Apply(nodes[0], Entry{in[i%len(in)], "/chat", 2 + i&1}, out[:0])
		}
	})
	b.Run("add and remove", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			k := keys[i/2%len(keys)]
			out = d.Apply(nodes[0], Entry{k, "/chat", 1 - i&1}, out[:0])
		}
	})
}

// BenchmarkReplace replaces a shard by what it has.
func BenchmarkReplace(b *testing.B) {
	d, nodes := full(b)
	entries := d.AppendEntries(nil, nodes[0], 0)
	b.ReportMetric(float64(len(entries)), "entries")
	b.ReportAllocs()
	for b.Loop() {
		d.Replace(nodes[0], 0, entries, nil)
	}
}

// BenchmarkSweep removes a node with a million entries.
func BenchmarkSweep(b *testing.B) {
	var longest time.Duration
	var out []Transition
	for b.Loop() {
		b.StopTimer()
		d := New()
		n := add(b, d, "a")
		fill(d, n, 0, 1_000_000)
		d.Remove(n)
		b.StartTimer()
		for more := true; more; {
			begin := time.Now()
			out, more = d.Sweep(n, out[:0])
			longest = max(longest, time.Since(begin))
		}
	}
	b.ReportMetric(float64(longest.Microseconds()), "µs/longest-portion")
}
