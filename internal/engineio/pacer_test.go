package engineio

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPacer: the reader of a client pauses if the client has sent many bytes in
// a short time, and does not if they have arrived slowly.
func TestPacer(t *testing.T) {
	for name, c := range map[string]struct {
		bytes  int
		pause  time.Duration
		pauses int
	}{
		"many bytes at once": {bytes: paceBytes / 4, pauses: 2},
		"many bytes slowly":  {bytes: paceBytes / 2, pause: 2 * paceAhead},
		"one byte at a time": {bytes: 1},
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
				paused := time.Since(begun) - parts*c.pause
				require.Equal(t, time.Duration(c.pauses)*pacePause, paused)
			})
		})
	}
}

// slowBody is a body that arrives byte by byte.
type slowBody struct {
	pause time.Duration
	bytes int
}

func (s *slowBody) Read(p []byte) (int, error) {
	if s.bytes == 0 {
		return 0, io.EOF
	}
	time.Sleep(s.pause)
	s.bytes--
	return copy(p, "x"), nil
}

// TestSlowBodiesCauseNoPause: the body of a POST that arrives byte by byte is
// read without a pause.
func TestSlowBodiesCauseNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pause, bytes = 10 * time.Millisecond, 20
		session := &Session{engine: New(testOptions()), sessionMu: sessionMu{state: sessionOpen}}
		begun := time.Now()
		_, err := session.readBody(&slowBody{pause, bytes}, 1<<10)
		require.NoError(t, err)
		require.Equal(t, bytes*pause, time.Since(begun))
	})
}

// TestNoPauseAfterTheEnd: bytes for a session that has ended cause no pause.
func TestNoPauseAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pacer
		begun := time.Now()
		p.add(&Session{engine: New(testOptions()), sessionMu: sessionMu{state: sessionClosed}}, paceBytes)
		require.Zero(t, time.Since(begun))
	})
}

// TestPausesAreLimited: of many readers, only as many pause at a time as there
// are event loops.
func TestPausesAreLimited(t *testing.T) {
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
