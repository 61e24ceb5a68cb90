package delivery

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// 2 MB that OnConnect sends in 20 events arrive complete and in order, even
// while the client upgrades to a WebSocket.
func TestHistoryInOnConnect(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		h.Connect = func(c *mojo.Conn) error {
			for i := range 20 {
				if err := c.Emit("past", i, strings.Repeat("x", 100_000)); err != nil {
					return err
				}
			}
			return nil
		}
		srv := e2e.NewServer(t, mojo.Options{})
		e2e.Register(t, srv, "Chat", h)
		socket := e2e.Dial(t, siotest.Serve(t, n, srv), transport).Connect(e2e.ChatNamespace, nil)

		for i := range 20 {
			socket.Expect("past", i, strings.Repeat("x", 100_000))
		}
		require.Empty(t, srv.Stats().Closed)
	})
}

// A client receives 30 large answers in a row.
func TestLargeAnswers(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		h.Message = func(c *mojo.Conn, _ *mojo.Message) { _ = c.Emit("answer", strings.Repeat("x", 100_000)) }
		_, socket := e2e.ConnectChat(t, n, transport, h)
		for range 30 {
			socket.Emit("ask")
		}
		for range 30 {
			socket.Expect("answer", strings.Repeat("x", 100_000))
		}
	})
}

// The Emit that finds the queue full returns ErrQueueFull, and later ones
// ErrNotConnected.
func TestQueueFull(t *testing.T) {
	h := e2e.NewApp()
	srv := e2e.NewServer(t, mojo.Options{Limits: mojo.Limits{MaxQueue: 16 << 10}})
	e2e.Register(t, srv, "Chat", h)
	client := siotest.Dial(t, siotest.Serve(t, siotest.Memory, srv), siotest.Options{ManualPoll: true})
	client.SendConnect(e2e.ChatNamespace, nil)
	conn := e2e.Await(t, h.Accepted)
	var err error
	for range 100 {
		require.LessOrEqual(t, srv.Stats().QueuedBytes, 16<<10)
		if err = conn.Emit("event", strings.Repeat("x", 1<<10)); err != nil {
			break
		}
	}

	require.ErrorIs(t, err, mojo.ErrQueueFull)
	require.EqualError(t, err, "mojo: send queue full")
	require.ErrorIs(t, conn.Emit("event"), mojo.ErrNotConnected)
	require.Equal(t, mojo.ReasonQueueOverflow, e2e.Await(t, h.Ended).Reason)
	require.Zero(t, srv.Stats().QueuedBytes)
}
