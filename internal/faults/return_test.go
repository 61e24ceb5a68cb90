package faults

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// Thousands of clients in another process drop their connections and reconnect
// at the same time. OnDisconnect runs once for each, all are connected again,
// and all receive every event. internal/bench/limits measures the time.
func TestAllReconnectAtOnce(t *testing.T) {
	n := e2e.Rounds(8000)
	h := newApp()
	srv, ch := newServer(t, mojo.Options{}, h)
	site := siotest.Serve(t, siotest.TCP, srv)
	clients := crowd.Start(t, "TestCrowd")
	require.Equal(t, n, clients.Connect(site.Host(), n, crowd.Options{}).Count)
	require.Equal(t, n, ch.Len())
	require.NoError(t, ch.Emit("event", 1))
	clients.AwaitEvents(1)

	result := clients.Reconnect()

	require.Equal(t, n, result.Count)
	t.Logf("%d clients reconnected in %v", n, result.Elapsed)
	for range n {
		reason := e2e.Await(t, h.Ended).Reason
		require.Contains(t, []mojo.Reason{mojo.ReasonTransportClose, mojo.ReasonTransportError}, reason)
	}
	e2e.WaitUntil(t, "only these clients are connected", func() bool { return srv.Stats().Connections == n })
	require.Equal(t, n, ch.Len())
	require.EqualValues(t, 2*n, srv.Stats().Opened)
	require.NoError(t, ch.Emit("event", 2))
	clients.AwaitEvents(1)
	e2e.Shutdown(t, srv)
	requireNoConnections(t, srv, ch)
	require.Len(t, h.Ended, n)
}
