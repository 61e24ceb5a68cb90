package engineio

import (
	"bytes"
	"io"
	"math/bits"
	"net"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestSilentClientIsDisconnected: if a client does nothing after the end of its
// session, its connection is closed after a moment.
func TestSilentClientIsDisconnected(t *testing.T) {
	bad := []byte{0xf1, 0x80, 0, 0, 0, 0}
	for name, end := range map[string]func(conn net.Conn, p *peer){
		"Close":                     func(_ net.Conn, p *peer) { p.Close(ForcedClose) },
		"bad frame":                 func(conn net.Conn, _ *peer) { _, _ = conn.Write(bad) },
		"close packet":              func(conn net.Conn, _ *peer) { _, _ = conn.Write(text("1")) },
		"bad frame after Close":     func(conn net.Conn, p *peer) { p.Close(ForcedClose); _, _ = conn.Write(bad) },
		"message after a bad frame": func(conn net.Conn, _ *peer) { _, _ = conn.Write(append(bad, text("4a")...)) },
		"half a frame, then Close":  func(conn net.Conn, p *peer) { _, _ = conn.Write(text("4abc")[:5]); p.Close(ForcedClose) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			siotest.Each(t, func(t *testing.T, n siotest.Network) {
				h := serve(t, n, nil)
				conn, p := h.rawWebSocket(t)
				go io.Copy(io.Discard, conn) // the client sends nothing
				end(conn, p)
				p.awaitEnd()
				waitUntil(t, func() bool { _, links := h.counts(); return links == 0 })
			})
		})
	}
}

// TestIdleConnectionTakesLittleMemory: on plain TCP an idle connection holds no
// buffer and, where there are event loops, no goroutine.
func TestIdleConnectionTakesLittleMemory(t *testing.T) {
	const connections = 500
	h := serve(t, siotest.TCP, nil)
	var conns []net.Conn
	conn, _ := h.rawWebSocket(t)
	conns = append(conns, conn)
	waitUntil(t, func() bool { return !serving() }) // the goroutine of the HTTP server has ended
	runtime.GC()
	var before, after runtime.MemStats
	others := func() int { return runtime.NumGoroutine() - goroutinesIn("(*watchSet).work") } // without event loops
	goroutines := others()
	runtime.ReadMemStats(&before)
	for range connections {
		conn, _ := h.rawWebSocket(t)
		conns = append(conns, conn)
	}
	maxBytes := int64(8 << 10)
	if h.loops == nil {
		goroutines, maxBytes = goroutines+connections, 12<<10
	}
	// Far below one for each connection, and more than a few that belong to
	// neither and may begin or end meanwhile.
	waitUntil(t, func() bool { return others() <= goroutines+connections/10 })
	runtime.GC()
	runtime.GC() // the second one empties the pools
	runtime.ReadMemStats(&after)
	// This includes both ends, and 4 KiB of a reader of the test. A read buffer
	// would add 16 KiB.
	perConnection := int64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse) / connections
	t.Logf("%d bytes a connection, both ends", perConnection)
	require.Less(t, perConnection, maxBytes)
	runtime.KeepAlive(conns)
}

// serving reports whether the HTTP server still handles a connection.
func serving() bool {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return bytes.Contains(stacks, []byte("net/http.(*conn).serve("))
}

// TestSessionLayout: a session and its link are small, and the fields that each
// message needs share a cache line. An allocation of this size begins at a
// multiple of a line. (On other systems the link is smaller.)
func TestSessionLayout(t *testing.T) {
	const line = 64
	if bits.UintSize < 64 {
		t.Skip("for pointers of 8 bytes")
	}
	var s Session
	var l link
	require.Equal(t, uintptr(256), unsafe.Sizeof(s))
	require.LessOrEqual(t, unsafe.Sizeof(l), uintptr(256))
	require.Zero(t, unsafe.Offsetof(s.engine)%line)
	require.Less(t, unsafe.Offsetof(s.sessionMu)+unsafe.Offsetof(s.sessionMu.queue)+unsafe.Offsetof(s.queue.queued)-unsafe.Offsetof(s.engine), uintptr(line))
	require.Less(t, unsafe.Offsetof(l.linkSessionMu)+unsafe.Offsetof(l.linkSessionMu.base64), uintptr(line))
}

// goroutinesIn returns the number of goroutines with a call of a function on
// the stack.
func goroutinesIn(function string) int {
	stacks := make([]byte, 1<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte(function+"("))
}
