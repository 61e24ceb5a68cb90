package engineio

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// A message of any size is put together from any parts, in buffers that are used again.
func TestAssemble(t *testing.T) {
	for _, part := range []int{1000, 16 << 10, 100_000, 3 << 20} {
		var first, second, want []byte
		for i := range 3 << 20 / part {
			p := bytes.Repeat([]byte{byte(i)}, part)
			want = append(want, p...)
			first, second = assemble(first, p), assemble(second, p)
			require.LessOrEqual(t, cap(first), max(2*len(first), 64<<10))
		}
		require.True(t, bytes.Equal(want, first))
		require.True(t, bytes.Equal(want, second))
		recycle(first)
		require.True(t, bytes.Equal(want, second))
		recycle(second)
	}
}

// A large message takes no memory when others of its size came before.
func TestAssembleUsesBuffersAgain(t *testing.T) {
	part := make([]byte, 16<<10)
	var message []byte
	again := false
	for range 100 { // a sync.Pool may forget, and does so under the race detector
		before := message[:min(1, cap(message))]
		message = nil
		for range 50 {
			message = assemble(message, part)
		}
		again = again || len(before) > 0 && &before[0] == &message[0]
		recycle(message)
	}
	require.True(t, again)
}
