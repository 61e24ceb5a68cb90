package engineio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestLapse comes at its time, whatever heartbeats are due before it.
func TestLapse(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, nil)
		for _, after := range []time.Duration{time.Millisecond, time.Second, 25 * time.Second, time.Minute, 20 * time.Minute} {
			client, p := h.connect(siotest.Options{Transport: transport})
			begun := time.Now()
			p.LapseAt(begun.Add(after))
			if after > time.Second {
				time.Sleep(after - time.Millisecond)
				require.True(t, p.live())
			}
			require.Equal(t, Reason("lapsed"), p.ended())
			require.InDelta(t, after+h.tick()/2, time.Since(begun), float64(h.tick()/2))
			client.AwaitClosed()
		}
	})
}

// TestLapseIsMoved: the latest call counts, and one with no time takes it away.
func TestLapseIsMoved(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, nil)
		_, p := h.connect(siotest.Options{Transport: transport})
		begun := time.Now()
		p.LapseAt(begun.Add(time.Second))
		p.LapseAt(time.Time{})
		time.Sleep(5 * time.Minute)
		require.True(t, p.live())
		p.LapseAt(time.Now().Add(time.Second))
		p.LapseAt(time.Now().Add(time.Hour))
		time.Sleep(59 * time.Minute)
		require.True(t, p.live())
		p.LapseAt(begun) // long past
		require.Equal(t, Reason("lapsed"), p.ended())
		require.InDelta(t, 64*time.Minute, time.Since(begun), float64(h.tick()))
	})
}

// TestLapseFarOff is no different from never, and has nobody look at the
// session meanwhile.
func TestLapseFarOff(t *testing.T) {
	eachTransport(t, func(t *testing.T, transport string) {
		h := serve(t, siotest.Memory, nil)
		_, p := h.connect(siotest.Options{Transport: transport})
		time.Sleep(time.Second) // so that the engine's clock is not at its beginning
		p.LapseAt(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))
		p.Session.mu.Lock()
		next := min(p.lapseAt, p.pingDue)
		p.Session.mu.Unlock()
		require.Equal(t, h.opts.PingInterval, next)
		time.Sleep(time.Hour)
		require.True(t, p.live())
	})
}
