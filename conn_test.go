package mojo

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestConnTellsItsTransport as of now.
func TestConnTellsItsTransport(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := newApp()
		srv, ch := chatServer(t, h)
		client := dial(t, siotest.Serve(t, n, srv), "polling")
		socket := client.Connect(chatNamespace, nil)
		conn := await(t, h.accepted)
		require.Equal(t, Polling, conn.Transport())

		client.Engine.Upgrade()
		socket.ExpectNothing()

		require.Equal(t, WebSocket, conn.Transport())
		require.Same(t, ch, conn.Channel())
	})
}

// TestContext ends with the connection, whether it was asked for before or after.
func TestContext(t *testing.T) {
	h := newApp()
	_, socket := chatOn(t, siotest.Memory, "websocket", h)
	conn := await(t, h.accepted)
	ctx := conn.Context()
	require.NoError(t, ctx.Err())
	require.Equal(t, ctx, conn.Context())

	socket.Disconnect()

	awaitClosed(t, ctx.Done())
	_, socket = chatOn(t, siotest.Memory, "websocket", h)
	conn = await(t, h.accepted)
	socket.Disconnect()
	await(t, h.ended)
	await(t, h.ended)
	require.Error(t, conn.Context().Err())
}

// TestSetAndGet, under keys of any type.
func TestSetAndGet(t *testing.T) {
	type key struct{}
	h := newApp()
	chatOn(t, siotest.Memory, "websocket", h)
	conn := await(t, h.accepted)
	require.Nil(t, conn.Get(key{}))

	conn.Set(key{}, 1)
	conn.Set("key", 2)
	conn.Set(key{}, 3)

	require.Equal(t, 3, conn.Get(key{}))
	require.Equal(t, 2, conn.Get("key"))
}

// TestEndedConn may be kept: what it does is harmless.
func TestEndedConn(t *testing.T) {
	h := newApp()
	ch, socket := chatOn(t, siotest.Memory, "websocket", h)
	conn := await(t, h.accepted)
	require.NoError(t, conn.Join("room"))
	socket.Disconnect()
	await(t, h.ended)

	require.ErrorIs(t, conn.Emit("x"), ErrNotConnected)
	require.EqualError(t, conn.Send("x"), "mojo: not connected")
	require.ErrorIs(t, conn.EmitVolatile("x"), ErrNotConnected)
	require.ErrorIs(t, conn.Join("room"), ErrNotConnected)
	require.ErrorIs(t, conn.Disconnect(), ErrNotConnected)
	require.Empty(t, conn.Rooms())
	conn.Leave("room")
	require.NotEmpty(t, conn.ID())
	require.NoError(t, ch.To("room").Emit("x"))
	require.NoError(t, ch.Except().Without(conn).Emit("x"))
	_, found := ch.Conn(conn.ID())
	require.False(t, found)
}

// TestEmitVolatile leaves out who is behind, and reaches everybody else.
func TestEmitVolatile(t *testing.T) {
	h := newApp()
	srv, ch := chatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	behind := siotest.Dial(t, site, siotest.Options{ManualPoll: true})
	behind.SendConnect(chatNamespace, nil)
	conn := await(t, h.accepted)
	behind.Engine.Flush()
	_, payload := behind.Engine.Poll()
	require.NotEmpty(t, payload)
	socket, _ := behind.AwaitConnect(chatNamespace)
	ready := dial(t, site, "websocket").Connect(chatNamespace, nil)

	require.NoError(t, conn.Emit("waits for the next poll"))
	require.NoError(t, conn.EmitVolatile("dropped"))
	require.NoError(t, ch.Volatile().Emit("for who is ready"))

	ready.Expect("for who is ready")
	behind.Engine.Poll()
	socket.Expect("waits for the next poll")
	require.Zero(t, socket.Waiting())
}
