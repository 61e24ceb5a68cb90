package mojo

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// twoApps is a client on the app Other, about to connect to Chat.
func twoApps(t *testing.T, n siotest.Network, transport string, h SocketHandler) (*siotest.Client, *siotest.Socket) {
	t.Helper()
	srv, _ := chatServer(t, h)
	register(t, srv, "Other", newApp())
	client := dial(t, siotest.Serve(t, n, srv), transport)
	return client, client.Connect("/OtherSocket", nil)
}

// TestConnectTwice before the first answer, as a page does that React's StrictMode mounts twice: the later one holds,
// and the client's other apps notice nothing.
func TestConnectTwice(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		client, other := twoApps(t, n, transport, h)
		client.SendConnect(chatNamespace, nil)
		client.SendConnect(chatNamespace, nil)
		ended := await(t, h.ended)
		require.Equal(t, ReasonClientDisconnect, ended.reason)
		first, second := await(t, h.accepted), await(t, h.accepted)
		if ended.conn == second {
			first, second = second, first
		}
		require.Same(t, first, ended.conn)

		socket, refused := client.AwaitConnect(chatNamespace)
		require.Nil(t, refused)
		if socket.SID() == first.ID() { // it was answered before the second CONNECT was read
			socket, refused = client.AwaitConnect(chatNamespace)
			require.Nil(t, refused)
		}
		require.Equal(t, second.ID(), socket.SID())
		require.NoError(t, second.Emit("to the second"))
		require.ErrorIs(t, first.Emit("to the first"), ErrNotConnected)
		socket.Expect("to the second")
		socket.ExpectNothing()
		require.Equal(t, 1, second.Channel().Len())
		other.ExpectNothing()
		require.Empty(t, h.ended)
	})
}

// TestConnectAgain after the first answer.
func TestConnectAgain(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		client, other := twoApps(t, n, transport, h)
		old := client.Connect(chatNamespace, nil)
		conn := await(t, h.accepted)
		require.NoError(t, conn.Join("room"))

		socket := client.Connect(chatNamespace, nil)

		require.Equal(t, siotest.ReasonReplaced, old.Reason())
		require.Equal(t, ending{conn, ReasonClientDisconnect}, await(t, h.ended))
		now := await(t, h.accepted)
		require.Equal(t, socket.SID(), now.ID())
		require.NotEqual(t, conn.ID(), now.ID())
		require.Empty(t, now.Rooms(), "it is another connection")
		require.NoError(t, now.Emit("event"))
		socket.Expect("event")
		other.ExpectNothing()
	})
}

// TestDisconnectAndConnectAtOnce, over and over.
func TestDisconnectAndConnectAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		const rounds = 50
		h := newApp()
		h.connect = func(c *Conn) error { return c.Emit("welcome", c.ID()) }
		client, other := twoApps(t, n, transport, h)
		socket := client.Connect(chatNamespace, nil)
		for range rounds {
			socket.Disconnect()
			socket = client.Connect(chatNamespace, nil)
			socket.Expect("welcome", socket.SID())
		}
		for range rounds {
			require.Equal(t, ReasonClientDisconnect, await(t, h.ended).reason)
		}
		other.ExpectNothing()
		socket.ExpectNothing()
	})
}

// TestPacketsInFlight for an app that the server has just had the client leave are ignored.
func TestPacketsInFlight(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		h.message = func(*Conn, *Message) { t.Error("a message after the end") }
		client, other := twoApps(t, n, transport, h)
		socket := client.Connect(chatNamespace, nil)
		require.NoError(t, await(t, h.accepted).Disconnect())
		await(t, h.ended)
		require.Equal(t, siotest.ReasonServerDisconnect, socket.AwaitDisconnected())

		socket.Emit("event", 1)
		socket.Emit("binary", []byte("1"), []byte("2"))
		client.Engine.Send("3" + chatNamespace + ",0[]")
		client.Engine.Send("2" + chatNamespace + `,7["wants an ack"]`)
		client.Engine.Send("1" + chatNamespace + ",")
		client.Engine.Send("1" + chatNamespace + ",")

		other.ExpectNothing()
		client.Connect(chatNamespace, nil).ExpectNothing()
		require.Empty(t, h.ended)
	})
}

// TestNamespacesNeverConnected: a packet for one closes the connection, whether it is mounted or not.
func TestNamespacesNeverConnected(t *testing.T) {
	for _, packet := range []string{
		"2" + chatNamespace + `,["event"]`,
		"1" + chatNamespace + ",",
		"3" + chatNamespace + ",0[]",
		`2/none,["event"]`,
		`2["event"]`,
		"51-" + chatNamespace + `,["event",{"_placeholder":true,"num":0}]`,
		`4/OtherSocket,{"message":"an error"}`,
	} {
		t.Run(packet, func(t *testing.T) {
			everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				client, other := twoApps(t, n, transport, newApp())

				client.Engine.Send(packet)

				require.NotEqual(t, siotest.ReasonServerDisconnect, other.AwaitDisconnected())
			})
		})
	}
}

// TestUnmountedNamespace is refused, and the connection stays.
func TestUnmountedNamespace(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		client, other := twoApps(t, n, transport, newApp())

		for range 100 {
			_, refused := client.TryConnect("/none", map[string]int{"a": 1})
			require.Equal(t, siotest.ConnectError{Message: "Invalid namespace"}, *refused)
		}

		other.ExpectNothing()
	})
}

// TestConnectFlood: a client that connects again and again to an app that is slow to answer is not read from any
// more, so that only so many of its OnConnect run at a time.
func TestConnectFlood(t *testing.T) {
	const flood = 1000
	inside, goOn := make(chan struct{}, flood), make(chan struct{})
	h := newApp()
	h.connect = func(*Conn) error {
		inside <- struct{}{}
		<-goOn
		return nil
	}
	srv := newTestServer(t, Options{Limits: Limits{MaxInbound: 64 << 10}})
	register(t, srv, "Chat", h)
	client := siotest.Open(t, siotest.Serve(t, siotest.Memory, srv), siotest.Options{Transport: "websocket"})
	for range flood {
		client.Send("0" + chatNamespace + ",")
	}
	const most = 64/4 + 1
	for range most {
		await(t, inside)
	}
	require.Empty(t, inside)
	close(goOn)
	for range flood - 1 {
		require.Equal(t, ReasonClientDisconnect, await(t, h.ended).reason)
	}
}
