package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestEvery: all intervals are counted, also those that the Loop was late for,
// until the timer is stopped.
func TestEvery(t *testing.T) {
	l, err := NewLoop()
	require.NoError(t, err)
	defer l.Close()
	total := 0
	begin := time.Now()
	stop, err := l.Every(time.Millisecond, func(times int) { total += times })
	require.NoError(t, err)
	require.NoError(t, l.Run(0, func() bool { return total >= 20 }))
	elapsed := time.Since(begin)
	require.GreaterOrEqual(t, elapsed, 20*time.Millisecond)
	require.LessOrEqual(t, total, int(elapsed/time.Millisecond))
	stop()
	before := total
	require.NoError(t, l.Wait(20*time.Millisecond))
	require.Equal(t, before, total)
}
