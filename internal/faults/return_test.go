package faults

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// TestAllReturnAtOnce: thousands of clients are dropped and come back at the same moment, in a process of their own.
// Each is told of, everybody is there again and hears everything, and nobody else. How long it takes is checked in
// internal/bench/limits.
func TestAllReturnAtOnce(t *testing.T) {
	n := times(8000)
	h := newApp()
	srv, ch := newServer(t, mojo.Options{}, h)
	site := siotest.Serve(t, siotest.TCP, srv)
	clients := crowd.Start(t, "TestCrowd")
	require.Equal(t, n, clients.Connect(site.Host(), n, crowd.Options{}).Count)
	require.Equal(t, n, ch.Len())
	require.NoError(t, ch.Emit("event", 1))
	clients.Hear(1)

	returned := clients.Return()

	require.Equal(t, n, returned.Count)
	t.Logf("%d were back in %v", n, returned.Elapsed)
	for range n {
		reason := await(t, h.ended).reason
		require.Contains(t, []mojo.Reason{mojo.ReasonTransportClose, mojo.ReasonTransportError}, reason)
	}
	waitUntil(t, "only they are there", func() bool { return srv.Stats().Connections == n })
	require.Equal(t, n, ch.Len())
	require.EqualValues(t, 2*n, srv.Stats().Opened)
	require.NoError(t, ch.Emit("event", 2))
	clients.Hear(1)
	shutdown(t, srv)
	requireNobody(t, srv, ch)
	require.Len(t, h.ended, n)
}
