package engineio

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestStoppedReaderOverflows: a client that stops reading is closed when too
// many bytes are queued for it, with QueueOverflow. Other clients are not
// delayed.
func TestStoppedReaderOverflows(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		for _, transport := range []string{"websocket", "polling", "upgrade"} {
			t.Run(transport, func(t *testing.T) {
				h := serve(t, n, nil)
				stopped, overflowing := h.connect(siotest.Options{Transport: transport, ReadBuffer: 1 << 10})
				client, p := h.connect(siotest.Options{Transport: "websocket"})
				stopped.Pause()
				m := NewText(make([]byte, 30_000))
				for overflowing.live() {
					_ = overflowing.Send(m)
					require.NoError(t, p.Send(m))
					require.Len(t, client.Next().Text, 30_000)
				}
				require.Equal(t, QueueOverflow, overflowing.awaitEnd())
				requireEcho(t, client)
				waitUntil(t, func() bool {
					sessions, links := h.counts()
					return sessions == 1 && links == 1
				})
			})
		}
	})
}

// TestStoppedReaderTimesOut: below MaxQueue, a write that makes no progress
// ends the session.
func TestStoppedReaderTimesOut(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		for _, transport := range []string{"websocket", "polling"} {
			t.Run(transport, func(t *testing.T) {
				t.Parallel()
				h := serve(t, n, func(o *Options) {
					o.PingInterval, o.PingTimeout, o.MaxQueue = time.Minute, 300*time.Millisecond, 64<<20
				})
				client, p := h.connect(siotest.Options{Transport: transport, ReadBuffer: 1 << 10})
				client.Pause()
				if transport == "polling" {
					h.awaitPoll(p)
				}
				require.NoError(t, p.Send(NewText(make([]byte, 16<<20))))
				require.Equal(t, WriteTimeout, p.awaitEnd())
			})
		}
	})
}

// TestStoppedReaderOverHTTP2: over HTTP/2 the connection belongs to the HTTP
// server, and the deadline of an answer does not interrupt it. The queue is
// bounded nevertheless.
func TestStoppedReaderOverHTTP2(t *testing.T) {
	h := serve(t, siotest.TLS, nil)
	client, p := h.connect(siotest.Options{HTTP2: true, ReadBuffer: 1 << 10})
	h.awaitPoll(p)
	client.Pause()
	for m := NewText(make([]byte, 100_000)); p.live(); {
		_ = p.Send(m)
	}
	require.Equal(t, QueueOverflow, p.awaitEnd())
}

// readSlowly reads as many bytes as the server writes before a deadline. The
// server of the tests has a deadline of a second, which is just met.
func readSlowly(conn net.Conn) (int, error) {
	time.Sleep(900 * time.Millisecond)
	return io.ReadFull(conn, make([]byte, writeChunk))
}

// rawPoll polls on a new connection, and returns the connection for the test to
// read bytes.
func (h *host) rawPoll(t *testing.T, client *siotest.Engine) net.Conn {
	t.Helper()
	conn, err := h.site.Dial(t.Context())
	require.NoError(t, err)
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", strings.TrimPrefix(client.URL("polling"), h.site.URL))
	require.NoError(t, err)
	return conn
}

// TestSlowClientGetsEverything: a client that reads slowly gets everything, as
// long as each read is in time.
func TestSlowClientGetsEverything(t *testing.T) {
	const size = 600_000
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serve(t, siotest.Memory, func(o *Options) { o.PingInterval, o.PingTimeout = time.Hour, time.Second })
				var conn net.Conn
				var p *peer
				if transport == "websocket" {
					conn, p = h.rawWebSocket(t)
				} else {
					var client *siotest.Engine
					client, p = h.connect(siotest.Options{ManualPoll: true})
					conn = h.rawPoll(t, client)
				}
				begun := time.Now()
				require.NoError(t, p.Send(NewText(make([]byte, size))))
				for got := 0; got+writeChunk < size; {
					n, err := readSlowly(conn)
					require.NoError(t, err)
					got += n
				}
				require.Greater(t, time.Since(begun), 20*h.opts.PingTimeout)
				require.True(t, p.live())
			})
		})
	}
}

// TestCloseOfASlowReader: after Close, a client that reads slowly has
// PingTimeout for the remaining bytes.
func TestCloseOfASlowReader(t *testing.T) {
	message := NewText(make([]byte, 1_000_000))
	poll := func(t *testing.T, h *host, end func(client *siotest.Engine, p *peer)) net.Conn {
		client, p := h.connect(siotest.Options{ManualPoll: true})
		require.NoError(t, p.Send(message))
		end(client, p)
		return h.rawPoll(t, client)
	}
	for name, begin := range map[string]func(t *testing.T, h *host) net.Conn{
		"websocket": func(t *testing.T, h *host) net.Conn {
			conn, p := h.rawWebSocket(t)
			require.NoError(t, p.Send(message))
			synctest.Wait()
			p.Close(ForcedClose)
			return conn
		},
		"polling": func(t *testing.T, h *host) net.Conn {
			return poll(t, h, func(_ *siotest.Engine, p *peer) { p.Close(ForcedClose) })
		},
		"polling, by the client": func(t *testing.T, h *host) net.Conn {
			return poll(t, h, func(client *siotest.Engine, _ *peer) { client.Post("1") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serve(t, siotest.Memory, nil)
				conn := begin(t, h)
				begun := time.Now()
				for time.Since(begun) < h.opts.PingTimeout-time.Second {
					_, err := readSlowly(conn)
					require.NoError(t, err)
				}
				require.Equal(t, 1, h.Live())
				for range 3 { // until PingTimeout is over
					_, _ = readSlowly(conn)
				}
				require.Zero(t, h.Live())
				rest, _ := io.Copy(io.Discard, conn)
				require.Less(t, rest, int64(2*writeChunk))
			})
		})
	}
}

// TestCloseOfAStoppedReader: after Close, the connection of a client that does
// not read is closed after closeLinger.
func TestCloseOfAStoppedReader(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serve(t, siotest.Memory, nil)
				client, p := h.connect(siotest.Options{Transport: transport, ReadBuffer: 1 << 10, ManualPoll: true})
				client.Pause()
				require.NoError(t, p.Send(NewText(make([]byte, 1<<19))))
				synctest.Wait()
				begun := time.Now()
				p.Close(ForcedClose)
				require.Equal(t, ForcedClose, p.awaitEnd())
				require.Zero(t, time.Since(begun))
				if transport == "polling" { // it polls for the remaining messages, but does not read them
					h.rawPoll(t, client)
					synctest.Wait()
				}
				time.Sleep(closeLinger)
				synctest.Wait()
				sessions, links := h.counts()
				require.Zero(t, sessions+links)
			})
		})
	}
}
