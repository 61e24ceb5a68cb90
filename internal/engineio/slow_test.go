package engineio

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// A client that stops reading is closed when too much waits for it, with a reason
// of its own, and nobody else has to wait for that.
func TestClientThatStopsReadingOverflows(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		for _, transport := range []string{"websocket", "polling", "upgrade"} {
			t.Run(transport, func(t *testing.T) {
				h := serve(t, n, nil)
				stuck, slow := h.connect(siotest.Options{Transport: transport, ReadBuffer: 1 << 10})
				client, p := h.connect(siotest.Options{Transport: "websocket"})
				stuck.Pause()
				m := NewText(make([]byte, 30_000))
				for slow.live() {
					_ = slow.Send(m)
					require.NoError(t, p.Send(m))
					require.Len(t, client.Next().Text, 30_000)
				}
				require.Equal(t, QueueOverflow, slow.ended())
				echoes(t, client)
				waitUntil(t, func() bool {
					sessions, links := h.counts()
					return sessions == 1 && links == 1
				})
			})
		}
	})
}

// Below the bound it is the write that is given up, when it makes no progress.
func TestClientThatStopsReadingTimesOut(t *testing.T) {
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
				require.Equal(t, WriteTimeout, p.ended())
			})
		}
	})
}

// Over HTTP/2 the stuck connection is the HTTP server's, where a deadline of one
// answer does not interrupt it; the queue is bounded all the same.
func TestClientThatStopsReadingOverHTTP2(t *testing.T) {
	h := serve(t, siotest.TLS, nil)
	client, p := h.connect(siotest.Options{HTTP2: true, ReadBuffer: 1 << 10})
	h.awaitPoll(p)
	client.Pause()
	for m := NewText(make([]byte, 100_000)); p.live(); {
		_ = p.Send(m)
	}
	require.Equal(t, QueueOverflow, p.ended())
}

// A client that takes little at a time has all the time it needs, while the
// session lives.
func TestSlowClientGetsEverything(t *testing.T) {
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serve(t, siotest.Memory, func(o *Options) { o.PingInterval, o.PingTimeout = time.Hour, time.Second })
				client, p := h.connect(siotest.Options{Transport: transport, ReadBuffer: 32 << 10})
				synctest.Wait()
				client.Pause()
				require.NoError(t, p.Send(NewText(make([]byte, 400_000))))
				for client.Waiting() == 0 {
					client.Resume()
					synctest.Wait()
					client.Pause()
					time.Sleep(900 * time.Millisecond)
				}
				require.True(t, p.live())
				require.Len(t, client.Next().Text, 400_000)
			})
		})
	}
}

// After Close a client that does not take what is left is cut off.
func TestCloseOfAClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{Transport: "websocket", ReadBuffer: 1 << 10})
		client.Pause()
		require.NoError(t, p.Send(NewText(make([]byte, 1<<19))))
		synctest.Wait()
		begun := time.Now()
		p.Close(ForcedClose)
		require.Equal(t, ForcedClose, p.ended())
		require.Zero(t, time.Since(begun))
		time.Sleep(closeLinger)
		synctest.Wait()
		sessions, links := h.counts()
		require.Zero(t, sessions+links)
	})
}
