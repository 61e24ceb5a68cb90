package engineio

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestQueueIsBoundedInBytes: exactly MaxQueue bytes may be queued.
func TestQueueIsBoundedInBytes(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		m := NewText(make([]byte, 100))
		h := serve(t, n, func(o *Options) { o.MaxQueue = 10 * m.Size() })
		client, p := h.connect(siotest.Options{ManualPoll: true})
		h.await(p, func() bool { return p.queued == 0 }) // the open packet counts while it is being written
		for range 10 {
			require.NoError(t, p.Send(m))
		}
		require.True(t, p.live())
		_, _ = client.Poll()
		h.await(p, func() bool { return p.queued == 0 })
		for range 10 {
			require.Len(t, client.Next().Text, 100)
			require.NoError(t, p.Send(m))
		}
		require.ErrorIs(t, p.Send(m), ErrQueueFull)
		require.Equal(t, QueueOverflow, p.awaitEnd())
		require.ErrorIs(t, p.Send(m), ErrClosed)
	})
}

func TestVolatileMessagesAreDroppedForAClientThatIsBehind(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		volatile := func(p *peer, text string) {
			var b Batch
			dropped := h.Stats().Dropped
			err := p.Queue(NewText([]byte(text)), Delivery{Volatile: true}, &b)
			b.Flush()
			if h.Stats().Dropped > dropped {
				require.ErrorIs(t, err, ErrBehind)
			} else {
				require.NoError(t, err)
			}
		}
		client, p := h.connect(siotest.Options{ManualPoll: true})
		volatile(p, "first")
		volatile(p, "dropped")
		_, payload := client.Poll()
		require.Equal(t, "4first", payload)

		client, p = h.connect(siotest.Options{Transport: "websocket", ReadBuffer: 1 << 10})
		client.Pause()
		sent, dropped := 0, h.Stats().Dropped
		for ; h.Stats().Dropped == dropped; sent++ { // the client may be behind only for a moment
			require.NoError(t, p.Send(NewText(make([]byte, 10_000))))
			volatile(p, "volatile")
		}
		volatile(p, "dropped")
		client.Resume()
		for range sent {
			text := client.Next().Text
			if text == "volatile" {
				text = client.Next().Text
			}
			require.Len(t, text, 10_000)
		}
		h.await(p, func() bool { return !p.isBehindLocked() })
		volatile(p, "in time")
		text := client.Next().Text
		if text == "dropped" { // the client was not behind any more
			text = client.Next().Text
		}
		require.Equal(t, "in time", text)
	})
}

// TestVolatileMessagesNeverOverflow: volatile messages do not close a client,
// even if they are many and large.
func TestVolatileMessagesNeverOverflow(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, func(o *Options) { o.MaxQueue = 64 << 10 })
		for _, transport := range []string{"polling", "websocket"} {
			_, p := h.connect(siotest.Options{Transport: transport})
			for range 2000 {
				var b Batch
				if err := p.Queue(NewText(make([]byte, 2<<10)), Delivery{Volatile: true}, &b); err != nil {
					require.ErrorIs(t, err, ErrBehind)
				}
				b.Flush()
			}
			var b Batch
			require.ErrorIs(t, p.Queue(NewText(make([]byte, 64<<10)), Delivery{Volatile: true}, &b), ErrBehind)
			b.Flush()
			require.True(t, p.live(), transport)
		}
	})
}

// TestNothingArrivesAfterAnOverflow: a message that does not fit ends the
// session. Later messages do not arrive, even if they would fit and the session
// has not ended yet.
func TestNothingArrivesAfterAnOverflow(t *testing.T) {
	h := serve(t, siotest.Memory, func(o *Options) { o.MaxQueue = 4 << 10 })
	client, p := h.connect(siotest.Options{ManualPoll: true})
	require.NoError(t, p.Send(NewText([]byte("one"))))
	var b Batch
	require.ErrorIs(t, p.Queue(NewText(make([]byte, 4<<10)), Delivery{}, &b), ErrQueueFull)

	require.ErrorIs(t, p.Send(NewText([]byte("three"))), ErrClosed)

	_, payload := client.Poll()
	require.Equal(t, "4one", payload)
	b.Flush()
	require.Equal(t, QueueOverflow, p.awaitEnd())
}

// TestOrderIsKeptUnderConcurrency: several goroutines send, some message by
// message and some in batches. On every connection the messages of each
// goroutine arrive once and in order.
func TestOrderIsKeptUnderConcurrency(t *testing.T) {
	const senders, messages, clients = 8, 200, 12 // more clients than Flush writes to in the calling goroutine
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, func(o *Options) { o.MaxQueue = 64 << 20 })
		var connected []*siotest.Engine
		var peers []*peer
		for i := range clients {
			transport := []string{"websocket", "websocket", "websocket", "polling"}[i%4]
			client, p := h.connect(siotest.Options{Transport: transport})
			connected, peers = append(connected, client), append(peers, p)
		}
		var wg sync.WaitGroup
		for sender := range senders {
			wg.Go(func() {
				for i := range messages {
					m := NewText(fmt.Appendf(nil, "%d %d", sender, i))
					var b Batch
					for _, p := range peers {
						if sender%2 == 0 {
							_ = p.Send(m)
						} else {
							_ = p.Queue(m, Delivery{}, &b)
						}
					}
					b.Flush()
				}
			})
		}
		for _, client := range connected {
			var next [senders]int
			for range senders * messages {
				var sender, i int
				_, err := fmt.Sscan(client.Next().Text, &sender, &i)
				require.NoError(t, err)
				require.Equal(t, next[sender], i)
				next[sender]++
			}
		}
		wg.Wait()
		for _, client := range connected {
			requireEcho(t, client) // so no other message has arrived
			require.Zero(t, client.Unread())
		}
		for _, p := range peers {
			h.await(p, func() bool { return p.queued == 0 })
		}
	})
}

// TestBatchOfManySessions uses more links than a Batch holds, and more than a
// worker takes at a time.
func TestBatchOfManySessions(t *testing.T) {
	const clients, rounds = 300, 5
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		connected := make([]*siotest.Engine, clients)
		for i := range connected {
			connected[i], _ = h.connect(siotest.Options{Transport: "websocket"})
		}
		for i := range rounds {
			m := NewText(fmt.Append(nil, i))
			var b Batch
			for _, p := range h.peers {
				require.NoError(t, p.Queue(m, Delivery{}, &b))
			}
			b.Flush()
		}
		for _, client := range connected {
			for i := range rounds {
				require.Equal(t, fmt.Sprint(i), client.Next().Text)
			}
			require.Zero(t, client.Unread())
		}
		h.flush.mu.Lock()
		defer h.flush.mu.Unlock()
		require.Zero(t, h.flush.due.Len())
	})
}

// TestFlushOfALongQueue: after writesPerTurn writes a link returns to the flush
// list, and loses nothing.
func TestFlushOfALongQueue(t *testing.T) {
	h := serve(t, siotest.TCP, func(o *Options) { o.MaxQueue = 64 << 20 })
	client, p := h.connect(siotest.Options{Transport: "websocket"})
	const big, count = 100_000, 4 * writesPerTurn
	var b Batch
	for range count {
		require.NoError(t, p.Queue(NewText(make([]byte, big)), Delivery{}, &b))
	}
	b.Flush()
	for range count {
		require.Len(t, client.Next().Text, big)
	}
}

// TestFanOutAllocations: the allocations of a fan-out do not depend on the
// number of its sessions.
func TestFanOutAllocations(t *testing.T) {
	h := newHost(t, nil)
	m := NewText([]byte("hello"))
	cost := func(sessions int) float64 {
		all := make([]*Session, sessions)
		for i := range all {
			all[i] = h.openBare(t)
			busyLink(all[i])
			all[i].queue.push(m)
			all[i].queue.pop() // so that the queue has an array
		}
		return siotest.AllocsPerRun(10, func() {
			var b Batch
			for _, s := range all {
				_ = s.Queue(m, Delivery{}, &b)
			}
			b.Flush()
			for _, s := range all {
				h.account(-s.unqueueLocked(s.queue.pop().Size()))
			}
		})
	}
	require.LessOrEqual(t, cost(2000), cost(20)+1)
}

// TestOrderOfABatch: the messages that a fan-out has queued for a client are
// written in order, also if the session is closed before Flush. The first
// message counts as being written from the beginning.
func TestOrderOfABatch(t *testing.T) {
	latest := Delivery{Latest: true, Owner: t, Key: "k"}
	for name, c := range map[string]struct {
		delivery    Delivery
		beforeFlush func(p *peer)
		want        []string
		reason      string
	}{
		"nothing":  {want: []string{"a", "b", "c"}},
		"latest":   {delivery: latest, want: []string{"a", "c"}},
		"volatile": {delivery: Delivery{Volatile: true}, want: []string{"a", "b", "c"}},
		"Close":    {beforeFlush: func(p *peer) { p.Close(ForcedClose) }, want: []string{"a", "b", "c"}, reason: siotest.ReasonCloseFrame},
	} {
		t.Run(name, func(t *testing.T) {
			siotest.Each(t, func(t *testing.T, n siotest.Network) {
				h := serve(t, n, nil)
				client, p := h.connect(siotest.Options{Transport: "websocket"})
				requireEcho(t, client)
				waitUntil(t, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return !p.link.writing })
				var b Batch
				for _, text := range []string{"a", "b", "c"} {
					require.NoError(t, p.Queue(NewText([]byte(text)), c.delivery, &b))
				}
				if c.beforeFlush != nil {
					c.beforeFlush(p)
				}
				b.Flush()
				for _, want := range c.want {
					require.Equal(t, want, client.Next().Text)
				}
				if c.reason != "" {
					require.Equal(t, c.reason, client.AwaitClosed())
					return
				}
				requireEcho(t, client)
				p.mu.Lock()
				defer p.mu.Unlock()
				require.EqualValues(t, p.link.inflight, p.queued, "queued counts bytes that are neither queued nor being written")
			})
		})
	}
}
