package engineio

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// jump returns t as if the wall clock had been set by d since. It changes the
// seconds in the layout of time.Time: 33 bits above 30 bits of nanoseconds. The
// monotonic clock, in the other word, stays.
func jump(t time.Time, d time.Duration) time.Time {
	wall := (*uint64)(unsafe.Pointer(&t))
	*wall -= uint64(int64(d/time.Second)) << 30
	return t
}

// TestWallClockJumps: heartbeats and write deadlines do not depend on the wall
// clock. (A test cannot set the machine's clock, and a time namespace has no
// wall clock of its own.)
func TestWallClockJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			was := time.Now()
			require.InDelta(t, -by.Seconds(), jump(was, by).Round(0).Sub(was.Round(0)).Seconds(), 1, "the wall clock says so")

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
			require.Equal(t, PingTimeout, silent.ended())
			client.NextPing()
			require.True(t, p.live())

			h = host(time.Minute)
			big := NewText(make([]byte, 16<<20))
			client, p = h.connect(siotest.Options{Transport: "websocket", ReadBuffer: 1 << 20})
			require.NoError(t, p.Send(big))
			require.Len(t, client.Next().Text, 16<<20)
			client.Pause()
			require.NoError(t, p.Send(big))
			require.Equal(t, WriteTimeout, p.ended())
		})
	}
}
