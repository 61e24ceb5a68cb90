package engineio

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/siotest"
)

// TestTotalIsBounded: above MaxQueuedTotal the engine closes the clients with
// the most queued bytes and the longest time without progress, until an eighth
// of the bound is free.
func TestTotalIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, func(o *Options) { o.MaxQueue, o.MaxQueuedTotal = 512<<10, 1<<20 })
		queue := func(size int) *peer {
			_, p := h.connect(siotest.Options{ManualPoll: true})
			require.NoError(t, p.Send(NewText(make([]byte, size))))
			return p
		}
		largeOld, smallOld := queue(300<<10), queue(150<<10)
		time.Sleep(time.Second)
		largeNew := queue(300 << 10)
		smallNew := queue(1000)
		reader, fast := h.connect(siotest.Options{Transport: "websocket"})
		require.NoError(t, fast.Send(NewText(make([]byte, 200<<10))))
		require.Len(t, reader.Next().Text, 200<<10)
		synctest.Wait()
		require.Empty(t, h.Stats().Closed)
		last := queue(300 << 10)
		synctest.Wait()

		require.Equal(t, TotalOverflow, largeOld.awaitEnd())
		for _, p := range []*peer{smallOld, largeNew, smallNew, last, fast} {
			require.True(t, p.live())
		}
		require.Less(t, h.Stats().Queued, int64(1<<20))
		requireEcho(t, reader)
	})
}

// TestTotalBoundWithManySessions: thousands of clients that do not poll take no
// more memory than the bound, and senders never wait.
func TestTotalBoundWithManySessions(t *testing.T) {
	const sessions, maxTotal = 2000, 1 << 20
	h := newHost(t, func(o *Options) { o.MaxQueuedTotal = maxTotal })
	all := make([]*Session, sessions)
	for i := range all {
		all[i] = h.openBare(t)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				m := NewText(make([]byte, 2000))
				var b Batch
				for _, s := range all {
					_ = s.Queue(m, Delivery{}, &b)
				}
				b.Flush()
			}
		})
	}
	wg.Wait()
	waitUntil(t, func() bool { return h.counters.queued.Load() <= maxTotal && !h.shrinking.Load() })
	require.NotZero(t, h.Stats().Closed[TotalOverflow])
}

// TestReservedBytesCount: reserved bytes count like queued ones.
func TestReservedBytesCount(t *testing.T) {
	h := serve(t, siotest.Memory, func(o *Options) { o.MaxQueue = 10_000 })
	_, p := h.connect(siotest.Options{ManualPoll: true})
	var b Batch
	require.NoError(t, p.Reserve(6000, &b))
	b.Flush()
	require.EqualValues(t, 6000, h.Stats().Queued)
	require.NoError(t, p.Send(NewText(make([]byte, 3000))))
	p.Unreserve(6000)
	require.NoError(t, p.Reserve(6000, &b))
	require.ErrorIs(t, p.Reserve(2000, &b), ErrQueueFull)
	require.ErrorIs(t, p.Reserve(1, &b), ErrClosed)
	b.Flush()
	require.Equal(t, QueueOverflow, p.awaitEnd())
	p.Unreserve(6000)
	require.Zero(t, h.Stats().Queued)
}

// TestOverflowsAreLogged: when clients are closed because of their queues, a
// line in the log names the option, at most once a minute.
func TestOverflowsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := serve(t, siotest.Memory, func(o *Options) {
			o.MaxQueue, o.MaxQueuedTotal = 10_000, 20_000
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		logged := func() (queue, total int) {
			synctest.Wait()
			return bytes.Count(log.Bytes(), []byte("Options.Limits.MaxQueue ")), bytes.Count(log.Bytes(), []byte("Options.Limits.MaxQueuedTotal "))
		}
		for _, want := range []int{1, 1, 2} {
			for range 3 {
				_, p := h.connect(siotest.Options{ManualPoll: true})
				require.NoError(t, p.Send(NewText(make([]byte, 9000))))
			}
			_, p := h.connect(siotest.Options{ManualPoll: true})
			require.ErrorIs(t, p.Send(NewText(make([]byte, 10_000))), ErrQueueFull)
			queue, total := logged()
			require.Equal(t, []int{want, want}, []int{queue, total}, log.String())
			time.Sleep(40 * time.Second)
		}
	})
}

// slowReader slowly reads the frames of a WebSocket, and answers pings. It
// returns the number of bytes of text in messages, when this is total or the
// connection ends.
func slowReader(t *testing.T, conn io.ReadWriter, total int) (got int) {
	for got < total {
		header, err := ws.ReadHeader(conn)
		if err != nil {
			return got
		}
		body := make([]byte, header.Length)
		for at := 0; at < len(body); at += 1 << 10 {
			time.Sleep(10 * time.Millisecond)
			if _, err := io.ReadFull(conn, body[at:min(at+1<<10, len(body))]); err != nil {
				return got
			}
		}
		switch {
		case header.OpCode == ws.OpText && string(body) == "2":
			_, err := conn.Write(text("3"))
			require.NoError(t, err)
		case header.OpCode == ws.OpText && body[0] == codec.TypeMessage:
			got += len(body) - 1
		}
	}
	return got
}

// TestSlowClientSurvivesHeartbeats: a client on a slow network gets everything,
// in one message or in many, over many heartbeats. Pings are sent ahead of
// queued messages, and the client cannot answer them before it has read the
// bytes in between.
func TestSlowClientSurvivesHeartbeats(t *testing.T) {
	for name, size := range map[string]int{"many messages": 20_000, "one message": 1_000_000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const total = 1_000_000
				h := serve(t, siotest.Memory, func(o *Options) {
					o.PingInterval, o.PingTimeout, o.MaxQueue = time.Second, time.Second, 2*total
				})
				conn, p := h.rawWebSocket(t)
				begun := time.Now()
				for range total / size {
					require.NoError(t, p.Send(NewText(make([]byte, size))))
				}
				require.Equal(t, total, slowReader(t, conn, total))
				require.Greater(t, time.Since(begun), 3*(h.opts.PingInterval+h.opts.PingTimeout))
				require.True(t, p.live())
			})
		})
	}
}

// TestPingIsFirstInAPoll: a ping is sent ahead of the messages that are queued
// for a poll.
func TestPingIsFirstInAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, nil)
		client, p := h.connect(siotest.Options{ManualPoll: true})
		require.NoError(t, p.Send(NewText([]byte("x"))))
		time.Sleep(h.opts.PingInterval + time.Second)
		_, payload := client.Poll()
		require.Equal(t, "2\x1e4x", payload)
	})
}

// TestPollTakesPartOfALongQueue: a payload has a limited size, so that a slow
// client polls often enough to make progress.
func TestPollTakesPartOfALongQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := serve(t, siotest.Memory, func(o *Options) { o.MaxQueue = 16 << 20 })
		client, p := h.connect(siotest.Options{ManualPoll: true})
		for _, size := range []int{400_000, 500_000, 200_000, 3_000_000, 10} {
			require.NoError(t, p.Send(NewText(make([]byte, size))))
		}
		p.Close(ForcedClose)
		for _, want := range []int{900_003, 200_001, 3_000_001, 11} {
			_, payload := client.Poll()
			require.Len(t, payload, want)
		}
		_, payload := client.Poll()
		require.Equal(t, "1", payload)
	})
}

// TestTotalOfALargeMessageOverTLS: over TLS, only a write shows that a client
// does not read. A large message that is being written counts in the total
// after slowWrite.
func TestTotalOfALargeMessageOverTLS(t *testing.T) {
	h := serve(t, siotest.TLS, func(o *Options) { o.MaxQueue, o.MaxQueuedTotal = 64<<20, 256<<20 })
	client, p := h.connect(siotest.Options{Transport: "websocket"})
	client.Pause()
	require.NoError(t, p.Send(NewText(make([]byte, 32<<20))))

	h.await(p, func() bool { return p.progressAt != 0 })

	require.Greater(t, h.Stats().Queued, int64(32<<20))
	client.Drop()
	p.awaitEnd()
	waitUntil(t, func() bool { return h.Stats().Queued == 0 })
}

// TestTotalWithoutBytesThatDoNotCount: bytes that only wait for a worker do not
// count in the total. Their client is not closed because other clients do not
// read.
func TestTotalWithoutBytesThatDoNotCount(t *testing.T) {
	h := serve(t, siotest.TCP, func(o *Options) { o.MaxQueue, o.MaxQueuedTotal = 8<<20, 8<<20 })
	client, healthy := h.connect(siotest.Options{Transport: "websocket"})
	var fanOut Batch
	require.NoError(t, healthy.Queue(NewText(make([]byte, 8<<20-1000)), Delivery{}, &fanOut))
	for range 100 {
		var b Batch
		require.NoError(t, h.openBare(t).Queue(NewText(make([]byte, 90<<10)), Delivery{}, &b))
		b.Flush()
	}
	waitUntil(t, func() bool { return h.Stats().Closed[TotalOverflow] > 0 && !h.shrinking.Load() })

	require.True(t, healthy.live())
	client.Drop()
	fanOut.Flush() // now its bytes count
}
