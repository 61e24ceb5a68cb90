package engineio

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPacer: a client that has sent much in a short time rests, and one that
// sends as much in a long time does not, however long it takes to handle.
func TestPacer(t *testing.T) {
	for name, c := range map[string]struct {
		bytes int
		pause time.Duration
		rests int
	}{
		"bytes at once":      {bytes: paceBytes / 4, rests: 2},
		"bytes now and then": {bytes: paceBytes / 2, pause: 2 * paceAhead},
		"little":             {bytes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const parts = 20
				e := New(testOptions())
				session := &Session{engine: e, sessionMu: sessionMu{state: sessionOpen}}
				var p pacer
				begun := time.Now()
				for range parts {
					time.Sleep(c.pause)
					p.add(session, c.bytes)
				}
				rested := time.Since(begun) - parts*c.pause
				require.Equal(t, time.Duration(c.rests)*pacePause, rested)
			})
		})
	}
}

// slowly is a body that arrives byte by byte.
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

// TestSlowBodiesDoNotRest: the body of a POST that arrives byte by byte is read
// without a rest.
func TestSlowBodiesDoNotRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pause, bytes = 10 * time.Millisecond, 20
		session := &Session{engine: New(testOptions()), sessionMu: sessionMu{state: sessionOpen}}
		begun := time.Now()
		_, err := session.readBody(&slowly{pause, bytes}, 1<<10)
		require.NoError(t, err)
		require.Equal(t, bytes*pause, time.Since(begun))
	})
}

// TestNoRestAfterTheEnd: bytes of a session that has ended do not make a client
// rest.
func TestNoRestAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pacer
		begun := time.Now()
		p.add(&Session{engine: New(testOptions()), sessionMu: sessionMu{state: sessionClosed}}, paceBytes)
		require.Zero(t, time.Since(begun))
	})
}

// TestRestsDoNotOverlap: of many clients that send much, as many rest at a time
// as there are event loops.
func TestRestsDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each = 10
		e := New(testOptions())
		begun := time.Now()
		var all sync.WaitGroup
		for range each * cap(e.pauseSlots) {
			all.Go(func() { e.pause(pacePause) })
		}
		all.Wait()
		require.Equal(t, each*pacePause, time.Since(begun))
	})
}
