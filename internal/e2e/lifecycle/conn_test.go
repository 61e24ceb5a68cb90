package lifecycle

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Conn.Transport returns the current transport, which changes with an upgrade.
func TestConnTransport(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := e2e.NewApp()
		srv, ch := e2e.ChatServer(t, h)
		client := e2e.Dial(t, siotest.Serve(t, n, srv), "polling")
		socket := client.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)
		require.Equal(t, mojo.Polling, conn.Transport())

		client.Engine.Upgrade()
		socket.ExpectNothing()

		require.Equal(t, mojo.WebSocket, conn.Transport())
		require.Same(t, ch, conn.Channel())
	})
}

// Conn.Context is cancelled when the connection ends. Called later,
// Conn.Context returns a cancelled context.
func TestContext(t *testing.T) {
	h := e2e.NewApp()
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)
	conn := e2e.Await(t, h.Accepted)
	ctx := conn.Context()
	require.NoError(t, ctx.Err())
	require.Equal(t, ctx, conn.Context())

	socket.Disconnect()

	e2e.AwaitClosed(t, ctx.Done())
	_, socket = e2e.ConnectChat(t, siotest.Memory, "websocket", h)
	conn = e2e.Await(t, h.Accepted)
	socket.Disconnect()
	e2e.Await(t, h.Ended)
	e2e.Await(t, h.Ended)
	require.Error(t, conn.Context().Err())
}

// Conn.Set and Get accept keys of any type.
func TestSetAndGet(t *testing.T) {
	type key struct{}
	h := e2e.NewApp()
	e2e.ConnectChat(t, siotest.Memory, "websocket", h)
	conn := e2e.Await(t, h.Accepted)
	require.Nil(t, conn.Get(key{}))

	conn.Set(key{}, 1)
	conn.Set("key", 2)
	conn.Set(key{}, 3)

	require.Equal(t, 3, conn.Get(key{}))
	require.Equal(t, 2, conn.Get("key"))
}

// The methods of a Conn may be called after its end: they do nothing or return
// an error.
func TestEndedConn(t *testing.T) {
	h := e2e.NewApp()
	ch, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)
	conn := e2e.Await(t, h.Accepted)
	require.NoError(t, conn.Join("room"))
	socket.Disconnect()
	e2e.Await(t, h.Ended)

	require.ErrorIs(t, conn.Emit("x"), mojo.ErrNotConnected)
	require.EqualError(t, conn.Send("x"), "mojo: not connected")
	require.ErrorIs(t, conn.Volatile().Emit("x"), mojo.ErrNotConnected)
	require.ErrorIs(t, conn.Join("room"), mojo.ErrNotConnected)
	require.ErrorIs(t, conn.Disconnect(), mojo.ErrNotConnected)
	conn.Leave("room")
	require.Equal(t, []string{"room"}, conn.Rooms(), "the last ones")
	require.ErrorIs(t, conn.Close(), mojo.ErrNotConnected)
	require.NotEmpty(t, conn.ID())
	require.NoError(t, ch.To("room").Emit("x"))
	require.NoError(t, ch.Except().Without(conn).Emit("x"))
	_, found := ch.Conn(conn.ID())
	require.False(t, found)
}

// A volatile event is dropped for clients with unread events in their queue,
// and reaches the others.
func TestVolatile(t *testing.T) {
	h := e2e.NewApp()
	srv, ch := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	behind := siotest.Dial(t, site, siotest.Options{ManualPoll: true})
	behind.SendConnect(e2e.ChatNamespace, nil)
	conn := e2e.Await(t, h.Accepted)
	behind.Engine.Flush()
	_, payload := behind.Engine.Poll()
	require.NotEmpty(t, payload)
	socket, _ := behind.AwaitConnect(e2e.ChatNamespace)
	ready := e2e.Dial(t, site, "websocket").Connect(e2e.ChatNamespace, nil)

	require.NoError(t, conn.Emit("waits for the next poll"))
	require.NoError(t, conn.Volatile().Emit("dropped"))
	require.NoError(t, ch.Volatile().Emit("for ready clients"))

	ready.Expect("for ready clients")
	behind.Engine.Poll()
	socket.Expect("waits for the next poll")
	require.Zero(t, socket.Unread())
}
