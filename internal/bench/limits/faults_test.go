package limits

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// TestCrowd is the clients of other tests, in a process of their own.
func TestCrowd(t *testing.T) { crowd.Be(t) }

// crowdSite serves the app Chat, over sockets that hold little, so that whoever stops reading is soon behind.
func crowdSite(t *testing.T, opts mojo.Options, h mojo.SocketHandler) (*mojo.Server, *mojo.Channel, *siotest.Site) {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	srv, err := mojo.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	ch, err := srv.Register("Chat", h)
	require.NoError(t, err)
	return srv, ch, siotest.ServeServer(t, siotest.TCP, &http.Server{
		Handler: srv,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			_ = c.(*net.TCPConn).SetWriteBuffer(16 << 10)
			return ctx
		},
	})
}

// stopReading connects n clients that do not read.
func stopReading(t *testing.T, site *siotest.Site, n int) {
	t.Helper()
	for i := range n {
		c, err := crowd.Connect(t.Context(), site.Host(), crowd.Options{Number: i, ReadBuffer: 32 << 10})
		require.NoError(t, err)
		t.Cleanup(c.Reset)
	}
}

func p99(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)*99/100]
}

// TestOthersBesideAStoppedReader: of 1,000 clients under a steady broadcast one stops reading. It is gone in time,
// and events reach the others as fast as without it: the 99th percentile is within 1.2 times. Runs with it and
// without it take turns, and the best of each count.
func TestOthersBesideAStoppedReader(t *testing.T) {
	const most = 1.2
	const rounds = 10
	var with, without time.Duration
	for round := range rounds {
		a, b := steadyBroadcast(t, 0), steadyBroadcast(t, 1)
		if round == 0 {
			without, with = a, b
		}
		without, with = min(without, a), min(with, b)
		t.Logf("p99 %v without, %v with a stopped reader", a, b)
		if round >= 2 && float64(with) <= most*float64(without) {
			return
		}
	}
	require.LessOrEqual(t, float64(with), most*float64(without), "%v against %v", with, without)
}

// steadyBroadcast returns the 99th percentile of the time from the broadcast call to the arrival of an event at one
// of those clients of 1,000 that have not stopped reading.
func steadyBroadcast(t *testing.T, stopped int) time.Duration {
	t.Helper()
	const clients, events, pause, size = 1000, 100, 20 * time.Millisecond, 4000
	srv, ch, site := crowdSite(t, mojo.Options{MaxQueue: 160 << 10}, new(mojo.Events))
	readers := make([]*crowd.Client, clients-stopped)
	for i := range readers {
		c, err := crowd.Connect(t.Context(), site.Host(), crowd.Options{Number: i})
		require.NoError(t, err)
		defer c.Reset()
		readers[i] = c
	}
	stopReading(t, site, stopped)
	require.Equal(t, clients, ch.Len())

	took := make([][]time.Duration, len(readers))
	start := time.Now()
	var wg sync.WaitGroup
	for i, c := range readers {
		wg.Go(func() {
			for range events {
				packet, err := c.Next()
				if err != nil {
					t.Error(err)
					return
				}
				sent, _, _ := strings.Cut(strings.TrimPrefix(packet, `42/ChatSocket,["event",`), ",")
				at, err := strconv.ParseInt(sent, 10, 64)
				if err != nil {
					t.Error(err)
				}
				took[i] = append(took[i], time.Since(start)-time.Duration(at))
			}
		})
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	text := strings.Repeat("x", size)
	for range events {
		<-tick.C
		require.NoError(t, ch.Emit("event", int64(time.Since(start)), text))
	}
	wg.Wait()
	require.Equal(t, clients-stopped, ch.Len())
	require.EqualValues(t, stopped, srv.Stats().Closed[mojo.ReasonQueueOverflow])
	return p99(slices.Concat(took...))
}

// TestBroadcastToStoppedReaders: with 5,000 clients that have stopped reading, the call of a broadcast is back in
// 50 ms (p99), also while they are closed.
func TestBroadcastToStoppedReaders(t *testing.T) {
	const clients, calls = 5000, 500
	var worst time.Duration
	for range 3 {
		srv, ch, site := crowdSite(t, mojo.Options{MaxQueue: 256 << 10}, new(mojo.Events))
		stopReading(t, site, clients)
		require.Equal(t, clients, ch.Len())
		text := strings.Repeat("x", 2000)
		var times []time.Duration
		tick := time.NewTicker(5 * time.Millisecond)
		for range calls {
			<-tick.C
			start := time.Now()
			require.NoError(t, ch.Emit("event", text))
			times = append(times, time.Since(start))
		}
		tick.Stop()
		require.Zero(t, ch.Len())
		require.EqualValues(t, clients, srv.Stats().Closed[mojo.ReasonQueueOverflow])
		_ = srv.Close()
		worst = p99(times)
		t.Logf("%v p99, %v at most", worst, times[len(times)-1])
		if worst <= 50*time.Millisecond {
			return
		}
	}
	require.LessOrEqual(t, worst, 50*time.Millisecond)
}

// TestAllReturn: 8,000 clients that are dropped and return at once are all back in 15 s.
func TestAllReturn(t *testing.T) {
	const clients = 8000
	_, ch, site := crowdSite(t, mojo.Options{}, new(mojo.Events))
	process := crowd.Start(t, "TestCrowd")
	process.Connect(site.Host(), clients, crowd.Options{})
	require.Equal(t, clients, ch.Len())

	back := process.Return()

	t.Logf("%d clients were back in %v", back.Count, back.Elapsed)
	require.Equal(t, clients, back.Count)
	require.LessOrEqual(t, back.Elapsed, 15*time.Second)
}

// TestShutdownTakesItsTime and no more: with stuck clients and a blocked handler, and a context of 5 s, it is back
// in 5.5 s.
func TestShutdownTakesItsTime(t *testing.T) {
	goOn := make(chan struct{})
	inside := make(chan struct{})
	ev := new(mojo.Events)
	mojo.On(ev, "block", func(*mojo.Conn, struct{}) error { close(inside); <-goOn; return nil })
	srv, ch, site := crowdSite(t, mojo.Options{}, ev)
	stopReading(t, site, 1000)
	blocked := siotest.Dial(t, site, siotest.Options{Transport: "websocket"}).Connect("/ChatSocket", nil)
	blocked.Emit("block")
	<-inside
	for range 20 {
		require.NoError(t, ch.Emit("event", strings.Repeat("x", 40<<10)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	start := time.Now()

	err := srv.Shutdown(ctx)

	took := time.Since(start)
	close(goOn)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, `OnMessage "block" on /ChatSocket`)
	require.LessOrEqual(t, took, 5500*time.Millisecond)
	require.NoError(t, srv.Shutdown(t.Context()))
}
