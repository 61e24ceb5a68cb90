package lifecycle

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// twoApps returns a client that is connected to the app Other and not yet to
// Chat.
func twoApps(t *testing.T, n siotest.Network, transport string, h mojo.SocketHandler) (*siotest.Client, *siotest.Socket) {
	t.Helper()
	srv, _ := e2e.ChatServer(t, h)
	e2e.Register(t, srv, "Other", e2e.NewApp())
	client := e2e.Dial(t, siotest.Serve(t, n, srv), transport)
	return client, client.Connect("/OtherSocket", nil)
}

// If a client sends CONNECT twice before the first answer, as a page in React's
// StrictMode does, it keeps the second connection. Its other app is not
// affected.
func TestConnectTwice(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		client, other := twoApps(t, n, transport, h)
		client.SendConnect(e2e.ChatNamespace, nil)
		client.SendConnect(e2e.ChatNamespace, nil)
		ended := e2e.Await(t, h.Ended)
		require.Equal(t, mojo.ReasonClientDisconnect, ended.Reason)
		first, second := e2e.Await(t, h.Accepted), e2e.Await(t, h.Accepted)
		if ended.Conn == second {
			first, second = second, first
		}
		require.Same(t, first, ended.Conn)

		socket, refused := client.AwaitConnect(e2e.ChatNamespace)
		require.Nil(t, refused)
		if socket.SID() == first.ID() { // the server answered before it read the second CONNECT
			socket, refused = client.AwaitConnect(e2e.ChatNamespace)
			require.Nil(t, refused)
		}
		require.Equal(t, second.ID(), socket.SID())
		require.NoError(t, second.Emit("to the second"))
		require.ErrorIs(t, first.Emit("to the first"), mojo.ErrNotConnected)
		socket.Expect("to the second")
		socket.ExpectNothing()
		require.Equal(t, 1, second.Channel().Len())
		other.ExpectNothing()
		require.Empty(t, h.Ended)
	})
}

// A CONNECT after the answer to the first one replaces the connection.
func TestConnectAgain(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		client, other := twoApps(t, n, transport, h)
		old := client.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)
		require.NoError(t, conn.Join("room"))

		socket := client.Connect(e2e.ChatNamespace, nil)

		require.Equal(t, siotest.ReasonReplaced, old.Reason())
		require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonClientDisconnect}, e2e.Await(t, h.Ended))
		now := e2e.Await(t, h.Accepted)
		require.Equal(t, socket.SID(), now.ID())
		require.NotEqual(t, conn.ID(), now.ID())
		require.Empty(t, now.Rooms(), "the namespace has a new connection")
		require.NoError(t, now.Emit("event"))
		socket.Expect("event")
		other.ExpectNothing()
	})
}

// A client may disconnect from and connect to a namespace many times without
// waiting for answers.
func TestDisconnectAndConnectAtOnce(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		const rounds = 50
		h := e2e.NewApp()
		h.Connect = func(c *mojo.Conn) error { return c.Emit("welcome", c.ID()) }
		client, other := twoApps(t, n, transport, h)
		socket := client.Connect(e2e.ChatNamespace, nil)
		for range rounds {
			socket.Disconnect()
			socket = client.Connect(e2e.ChatNamespace, nil)
			socket.Expect("welcome", socket.SID())
		}
		for range rounds {
			require.Equal(t, mojo.ReasonClientDisconnect, e2e.Await(t, h.Ended).Reason)
		}
		other.ExpectNothing()
		socket.ExpectNothing()
	})
}

// Packets for a namespace from which the server has just disconnected the
// client are ignored.
func TestPacketsInFlight(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		h.Message = func(*mojo.Conn, *mojo.Message) { t.Error("a message was handled after the end") }
		client, other := twoApps(t, n, transport, h)
		socket := client.Connect(e2e.ChatNamespace, nil)
		require.NoError(t, e2e.Await(t, h.Accepted).Disconnect())
		e2e.Await(t, h.Ended)
		require.Equal(t, siotest.ReasonServerDisconnect, socket.AwaitDisconnected())

		socket.Emit("event", 1)
		socket.Emit("binary", []byte("1"), []byte("2"))
		client.Engine.Send("3" + e2e.ChatNamespace + ",0[]")
		client.Engine.Send("2" + e2e.ChatNamespace + `,7["wants an ack"]`)
		client.Engine.Send("1" + e2e.ChatNamespace + ",")
		client.Engine.Send("1" + e2e.ChatNamespace + ",")

		other.ExpectNothing()
		client.Connect(e2e.ChatNamespace, nil).ExpectNothing()
		require.Empty(t, h.Ended)
	})
}

// A packet for a namespace that the client never connected to closes the
// connection, with or without an app on that namespace.
func TestNamespacesNeverConnected(t *testing.T) {
	for _, packet := range []string{
		"2" + e2e.ChatNamespace + `,["event"]`,
		"1" + e2e.ChatNamespace + ",",
		"3" + e2e.ChatNamespace + ",0[]",
		`2/none,["event"]`,
		`2["event"]`,
		"51-" + e2e.ChatNamespace + `,["event",{"_placeholder":true,"num":0}]`,
		`4/OtherSocket,{"message":"an error"}`,
	} {
		t.Run(packet, func(t *testing.T) {
			e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				client, other := twoApps(t, n, transport, e2e.NewApp())

				client.Engine.Send(packet)

				require.NotEqual(t, siotest.ReasonServerDisconnect, other.AwaitDisconnected())
			})
		})
	}
}

// The server refuses a CONNECT to a namespace without an app, and the
// connection stays open.
func TestUnmountedNamespace(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		client, other := twoApps(t, n, transport, e2e.NewApp())

		for range 100 {
			_, refused := client.TryConnect("/none", map[string]int{"a": 1})
			require.Equal(t, siotest.ConnectError{Message: "Invalid namespace"}, *refused)
		}

		other.ExpectNothing()
	})
}

// If a client connects again and again to an app with a slow OnConnect, the
// server stops reading from it. So the number of running OnConnect calls is
// limited.
func TestConnectFlood(t *testing.T) {
	const flood = 1000
	inside, goOn := make(chan struct{}, flood), make(chan struct{})
	h := e2e.NewApp()
	h.Connect = func(*mojo.Conn) error {
		inside <- struct{}{}
		<-goOn
		return nil
	}
	srv := e2e.NewServer(t, mojo.Options{Limits: mojo.Limits{MaxInbound: 64 << 10}})
	e2e.Register(t, srv, "Chat", h)
	client := siotest.Open(t, siotest.Serve(t, siotest.Memory, srv), siotest.Options{Transport: "websocket"})
	for range flood {
		client.Send("0" + e2e.ChatNamespace + ",")
	}
	const maxRunning = 64/4 + 1
	for range maxRunning {
		e2e.Await(t, inside)
	}
	require.Empty(t, inside)
	close(goOn)
	for range flood - 1 {
		require.Equal(t, mojo.ReasonClientDisconnect, e2e.Await(t, h.Ended).Reason)
	}
}
