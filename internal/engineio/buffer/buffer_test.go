package buffer

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAppendJoinsParts(t *testing.T) {
	for _, part := range []int{1000, 16 << 10, 100_000, 3 << 20} {
		var first, second, want []byte
		for i := range 3 << 20 / part {
			p := bytes.Repeat([]byte{byte(i)}, part)
			want = append(want, p...)
			first, second = Append(first, p), Append(second, p)
			require.LessOrEqual(t, cap(first), max(2*len(first), 64<<10))
		}
		require.True(t, bytes.Equal(want, first))
		require.True(t, bytes.Equal(want, second))
		Recycle(first)
		require.True(t, bytes.Equal(want, second))
		Recycle(second)
	}
}

func TestBuffersAreReused(t *testing.T) {
	part := make([]byte, 16<<10)
	var message []byte
	reused := false
	for range 100 { // a sync.Pool may drop buffers, and does so under the race detector
		before := message[:min(1, cap(message))]
		message = nil
		for range 50 {
			message = Append(message, part)
		}
		reused = reused || len(before) > 0 && &before[0] == &message[0]
		Recycle(message)
	}
	require.True(t, reused)
}
