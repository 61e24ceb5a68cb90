package engineio

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBurst: whoever has sent much in a short time rests, by bytes or by the time that they took, and whoever sends
// as much in a long time does not.
func TestBurst(t *testing.T) {
	for name, c := range map[string]struct {
		bytes        int
		takes, pause time.Duration
		rests        int
	}{
		"bytes at once":      {bytes: burstBytes / 4, rests: 2},
		"work at once":       {bytes: 1, takes: burstTime / 2, rests: 5},
		"bytes now and then": {bytes: burstBytes / 2, pause: 2 * burstAhead},
		"work now and then":  {bytes: 1, takes: burstTime / 2, pause: 2 * burstAhead},
		"little":             {bytes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const parts = 20
				e := New(testOptions())
				session := &Session{engine: e, state: open}
				var b burst
				begun := time.Now()
				for range parts {
					time.Sleep(c.pause)
					since := e.now()
					time.Sleep(c.takes)
					b.add(session, c.bytes, since)
				}
				rested := time.Since(begun) - parts*(c.pause+c.takes)
				require.Equal(t, time.Duration(c.rests)*burstRest, rested)
			})
		})
	}
}

// slowly is a body that comes a byte at a time.
type slowly struct {
	pause time.Duration
	bytes int
}

func (s *slowly) Read(p []byte) (int, error) {
	if s.bytes == 0 {
		return 0, io.EOF
	}
	time.Sleep(s.pause)
	s.bytes--
	return copy(p, "x"), nil
}

// TestSlowBodiesDoNotRest: waiting for the bytes of a POST is no work.
func TestSlowBodiesDoNotRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pause, bytes = 10 * time.Millisecond, 20
		session := &Session{engine: New(testOptions()), state: open}
		begun := time.Now()
		_, err := session.readBody(&slowly{pause, bytes}, 1<<10)
		require.NoError(t, err)
		require.Equal(t, bytes*pause, time.Since(begun))
	})
}

// TestNoRestBehindTheEnd of a session: nothing more is read for it.
func TestNoRestBehindTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b burst
		begun := time.Now()
		b.add(&Session{engine: New(testOptions()), state: closed}, burstBytes, 0)
		require.Zero(t, time.Since(begun))
	})
}

// TestRestsDoNotOverlap: of many clients that send much, no more rest at a time than there are event loops.
func TestRestsDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each = 10
		e := New(testOptions())
		begun := time.Now()
		var all sync.WaitGroup
		for range each * cap(e.resting) {
			all.Go(func() { e.rest(burstRest) })
		}
		all.Wait()
		require.Equal(t, each*burstRest, time.Since(begun))
	})
}
