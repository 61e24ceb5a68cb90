package engineio

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStallThatIsOverBeforeItBegins: if a Release comes between the moment at
// which a reader finds too much waiting and the stall, there is no stall.
func TestStallThatIsOverBeforeItBegins(t *testing.T) {
	h := newHost(t, nil)
	s := h.bare(t)
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
