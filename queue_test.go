package mojo

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestHistoryInOnConnect, 2 MB in 20 events, arrives whole and in order, also while the client changes to a WebSocket.
func TestHistoryInOnConnect(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		h.connect = func(c *Conn) error {
			for i := range 20 {
				if err := c.Emit("past", i, strings.Repeat("x", 100_000)); err != nil {
					return err
				}
			}
			return nil
		}
		srv := newTestServer(t, Options{})
		register(t, srv, "Chat", h)
		socket := dial(t, siotest.Serve(t, n, srv), transport).Connect(chatNamespace, nil)

		for i := range 20 {
			socket.Expect("past", i, strings.Repeat("x", 100_000))
		}
		require.Empty(t, srv.Stats().Closed)
	})
}

// TestLargeAnswers that a client asks for one after another arrive.
func TestLargeAnswers(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		h.message = func(c *Conn, _ *Message) { _ = c.Emit("answer", strings.Repeat("x", 100_000)) }
		_, socket := chatOn(t, n, transport, h)
		for range 30 {
			socket.Emit("ask")
		}
		for range 30 {
			socket.Expect("answer", strings.Repeat("x", 100_000))
		}
	})
}

// TestQueueFull: the emit that does not fit says so, those after it that the connection has ended.
func TestQueueFull(t *testing.T) {
	h := newApp()
	srv := newTestServer(t, Options{Limits: Limits{MaxQueue: 16 << 10}})
	register(t, srv, "Chat", h)
	client := siotest.Dial(t, siotest.Serve(t, siotest.Memory, srv), siotest.Options{ManualPoll: true})
	client.SendConnect(chatNamespace, nil)
	conn := await(t, h.accepted)
	var err error
	for range 100 {
		require.LessOrEqual(t, srv.Stats().QueuedBytes, 16<<10)
		if err = conn.Emit("event", strings.Repeat("x", 1<<10)); err != nil {
			break
		}
	}

	require.ErrorIs(t, err, ErrQueueFull)
	require.EqualError(t, err, "mojo: send queue full")
	require.ErrorIs(t, conn.Emit("event"), ErrNotConnected)
	require.Equal(t, ReasonQueueOverflow, await(t, h.ended).reason)
	require.Zero(t, srv.Stats().QueuedBytes)
}
