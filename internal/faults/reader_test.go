package faults

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// The server disconnects a client that stops reading when its queue is full, or
// when a write makes no progress. Each case has its own reason. Other clients
// receive all events.
func TestStoppedReader(t *testing.T) {
	for name, test := range map[string]struct {
		opts   mojo.Options
		send   func(c *mojo.Conn, ch *mojo.Channel, turn int) // sends to the client that stopped reading
		reason mojo.Reason
	}{
		"queue bound": {
			opts: mojo.Options{Limits: mojo.Limits{MaxQueue: 64 << 10}, Timeouts: mojo.Timeouts{PingTimeout: time.Minute}},
			send: func(_ *mojo.Conn, ch *mojo.Channel, _ int) {
				_ = ch.To("stuffed").Emit("x", strings.Repeat("x", 32<<10))
			},
			reason: mojo.ReasonQueueOverflow,
		},
		"write deadline": {
			opts: mojo.Options{Limits: mojo.Limits{MaxQueue: 64 << 20}, Timeouts: mojo.Timeouts{PingInterval: time.Minute, PingTimeout: 300 * time.Millisecond}},
			send: func(c *mojo.Conn, _ *mojo.Channel, turn int) {
				if turn == 0 {
					_ = c.Emit("x", strings.Repeat("x", 8<<20))
				}
			},
			reason: mojo.ReasonWriteTimeout,
		},
	} {
		for _, transport := range e2e.Transports {
			t.Run(name+"/"+transport, func(t *testing.T) {
				h := newApp()
				srv, ch := newServer(t, test.opts, h)
				site := siotest.ServeServer(t, siotest.TCP, smallBufferServer(srv))
				stopped, _ := dial(t, site, siotest.Options{Transport: transport, ReadBuffer: 1})
				conn := e2e.Await(t, h.Accepted)
				require.NoError(t, conn.Join("stuffed"))
				var others []*siotest.Socket
				for i := range 10 {
					_, socket := dial(t, site, siotest.Options{Transport: e2e.Transports[i%3]})
					others = append(others, socket)
				}
				stopped.Engine.Pause()

				turn := 0
				for ; len(h.Ended) == 0; turn++ {
					require.Less(t, turn, 20_000, "the connection is not closed")
					test.send(conn, ch, turn)
					require.NoError(t, ch.Emit("tick", turn))
					for _, socket := range others {
						socket.Expect("tick", turn)
					}
				}

				require.Equal(t, e2e.End{Conn: conn, Reason: test.reason}, e2e.Await(t, h.Ended))
				require.EqualValues(t, map[mojo.Reason]uint64{test.reason: 1}, srv.Stats().Closed)
				e2e.WaitUntil(t, "only the other connections are open", func() bool { return srv.Stats().Connections == len(others) && ch.Len() == len(others) })
				for _, socket := range others {
					socket.ExpectNothing()
				}
				stopped.Engine.Resume()
				stopped.Engine.AwaitClosed()
			})
		}
	}
}

// Thousands of clients stop reading. Their queues need no more memory than the
// limit for each and the limit for all, even if each gets different data. The
// server disconnects them when the site continues to send. Other clients are
// not affected.
func TestStoppedReaders(t *testing.T) {
	const size, maxQueue = 16_000, 256 << 10
	n := e2e.Rounds(5000)
	for name, test := range map[string]struct {
		maxTotal int
		send     func(ch *mojo.Channel, conns []*mojo.Conn, turn int, sent func())
	}{
		"same data": {256 << 20, func(ch *mojo.Channel, _ []*mojo.Conn, turn int, sent func()) {
			_ = ch.To("stopped").Emit("big", fmt.Sprint(turn, strings.Repeat("x", size)))
			sent()
		}},
		"different data": {256 << 20 / 5000 * n, func(_ *mojo.Channel, conns []*mojo.Conn, turn int, sent func()) {
			for quarter := range slices.Chunk(conns, (n+3)/4) {
				for _, c := range quarter {
					_ = c.Emit("big", fmt.Sprint(turn, strings.Repeat("x", size)))
				}
				sent()
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newApp()
			opts := mojo.Options{Limits: mojo.Limits{MaxQueue: maxQueue, MaxQueuedTotal: test.maxTotal}, Timeouts: mojo.Timeouts{PingInterval: time.Hour, PingTimeout: time.Hour}}
			srv, ch := newServer(t, opts, h)
			site := siotest.ServeServer(t, siotest.TCP, smallBufferServer(srv))
			_, other := dial(t, site, siotest.Options{Transport: "websocket"})
			e2e.Await(t, h.Accepted)
			var conns []*mojo.Conn
			for i := range n {
				c, err := crowd.Connect(t.Context(), site.Host(), crowd.Options{Number: i, ReadBuffer: 32 << 10})
				require.NoError(t, err)
				defer c.Reset()
				conn := e2e.Await(t, h.Accepted)
				require.NoError(t, conn.Join("stopped"))
				conns = append(conns, conn)
			}
			before := e2e.LiveHeap()
			var maxHeap int64
			var longest time.Duration

			for turn := 0; len(h.Ended) < n; turn++ {
				require.Less(t, turn, 1000, "the connections are not closed")
				test.send(ch, conns, turn, func() { maxHeap = max(maxHeap, e2e.LiveHeap()-before) })
				begun := time.Now()
				require.NoError(t, ch.Emit("tick", turn))
				longest = max(longest, time.Since(begun))
				other.Expect("tick", turn)
			}

			bound := int64(min(n*maxQueue, test.maxTotal))
			t.Logf("%d clients: %d MB at most, %.3f of the bound; no broadcast took longer than %v", n, maxHeap>>20, float64(maxHeap)/float64(bound), longest)
			require.Less(t, maxHeap, bound+bound/8+1<<20, "the bound, the overhead of the allocator and the sessions")
			e2e.WaitUntil(t, "only the other connection is open", func() bool { return srv.Stats().Connections == 1 })
			closed := srv.Stats().Closed
			require.EqualValues(t, n, closed[mojo.ReasonQueueOverflow]+closed[mojo.ReasonTotalOverflow], "%v", closed)
			require.Equal(t, 1, ch.Len())
			other.ExpectNothing()
		})
	}
}

// A client that stops reading while it polls over HTTP/2 is disconnected, and
// another client is not affected.
func TestStoppedReaderOverHTTP2(t *testing.T) {
	h := newApp()
	srv, ch := newServer(t, mojo.Options{Limits: mojo.Limits{MaxQueue: 64 << 10}}, h)
	site := siotest.ServeServer(t, siotest.TLS, &http.Server{Handler: srv})
	stopped, _ := dial(t, site, siotest.Options{HTTP2: true, ReadBuffer: 1})
	conn := e2e.Await(t, h.Accepted)
	_, other := dial(t, site, siotest.Options{HTTP2: true})
	stopped.Engine.Pause()
	for turn := 0; len(h.Ended) == 0; turn++ {
		require.Less(t, turn, 1000, "the connection is not closed")
		_ = conn.Emit("x", strings.Repeat("x", 32<<10))
		require.NoError(t, ch.Emit("tick", turn))
		other.Expect("tick", turn)
	}
	require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonQueueOverflow}, e2e.Await(t, h.Ended))
	stopped.Engine.Resume()
	stopped.Engine.AwaitClosed()
}
