package engineio

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStallThatIsOverBeforeItBegins: a reader finds that too many bytes wait
// for handlers. If Release is called before the reader begins the stall, there
// is no stall.
func TestStallThatIsOverBeforeItBegins(t *testing.T) {
	h := newHost(t, nil)
	s := h.openBare(t)
	s.Hold(h.opts.MaxInbound + 1)

	begun, _ := s.beginStall()
	require.NotNil(t, begun)
	s.Release(h.opts.MaxInbound/2 + 1)
	<-begun.ended
	require.Nil(t, s.stall.Load())

	begun, _ = s.beginStall()
	require.Nil(t, begun)
	require.Nil(t, s.stall.Load())
}
