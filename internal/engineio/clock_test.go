package engineio

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// jump returns the time t as if the wall clock had been moved by d after it. It
// changes the seconds in the layout of time.Time: 33 bits above 30 bits of
// nanoseconds. The monotonic time, in the other word, does not change.
func jump(t time.Time, d time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t))
	*wall -= uint64(int64(d/time.Second)) << 30
	return t
}

// TestWallClockJumps: heartbeats and write deadlines do not depend on the wall
// clock. The test changes the start of the engine, because it cannot set the
// wall clock.
func TestWallClockJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			before := time.Now()
			require.InDelta(t, -by.Seconds(), jump(before, by).Round(0).Sub(before.Round(0)).Seconds(), 1, "the wall clock has not moved")

			host := func(interval time.Duration) *host {
				h := newHost(t, func(o *Options) {
					o.PingInterval, o.PingTimeout, o.MaxQueue = interval, 200*time.Millisecond, 64<<20
				})
				h.start = jump(h.start, by)
				require.Less(t, h.now().Abs(), time.Second)
				h.site = siotest.Serve(t, siotest.TCP, h)
				return h
			}
			h := host(200 * time.Millisecond)
			client, p := h.connect(siotest.Options{Transport: "websocket"})
			_, silent := h.connect(siotest.Options{Transport: "websocket", NoPong: true})
			for range 3 {
				client.NextPing()
			}
			require.Equal(t, PingTimeout, silent.awaitEnd())
			client.NextPing()
			require.True(t, p.live())

			h = host(time.Minute)
			big := NewText(make([]byte, 16<<20))
			client, p = h.connect(siotest.Options{Transport: "websocket", ReadBuffer: 1 << 20})
			require.NoError(t, p.Send(big))
			require.Len(t, client.Next().Text, 16<<20)
			client.Pause()
			require.NoError(t, p.Send(big))
			require.Equal(t, WriteTimeout, p.awaitEnd())
		})
	}
}
