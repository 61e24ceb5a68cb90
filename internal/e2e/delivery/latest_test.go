package delivery

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// A client that has not read for a while receives the newest event of each key
// and all events without a key, in the order in which they were sent. A polling
// client does not read between two polls.
func TestLatest(t *testing.T) {
	srv, ch := e2e.ChatServer(t, e2e.NewApp())
	other := e2e.Register(t, srv, "Other", e2e.NewApp())
	site := siotest.Serve(t, siotest.Memory, srv)
	client := siotest.Dial(t, site, siotest.Options{ManualPoll: true, Header: e2e.CookieHeader(e2e.SessionCookie("s"))})
	client.SendConnect(e2e.ChatNamespace, nil)
	client.Engine.Poll()
	socket, _ := client.AwaitConnect(e2e.ChatNamespace)
	client.SendConnect("/OtherSocket", nil)
	client.Engine.Poll()
	neighbour, _ := client.AwaitConnect("/OtherSocket")
	conn := slices.Collect(ch.Conns())[0]

	require.NoError(t, conn.Latest("a").Emit("price", "a1"))
	require.NoError(t, conn.Emit("between", 1))
	require.NoError(t, conn.Latest("b").Emit("price", "b1"))
	require.NoError(t, ch.Latest("a").Emit("price", "a2"))
	require.NoError(t, conn.Latest("").Emit("price", "none"))
	require.NoError(t, srv.CurrentSessions().Get("s").Latest("b").Emit("price", "b2"))
	require.NoError(t, other.Latest("b").Emit("price", "of another app")) // each app has its own keys
	require.NoError(t, conn.Latest("a").Emit("price", "a3"))
	client.Engine.Poll()

	socket.Expect("between", 1)
	socket.Expect("price", "none")
	socket.Expect("price", "b2")
	socket.Expect("price", "a3")
	neighbour.Expect("price", "of another app")
	require.Zero(t, socket.Unread()+neighbour.Unread())
	require.EqualValues(t, 4, srv.Stats().Replaced)
	require.NoError(t, mojo.Session{}.Latest("a").Emit("price"))
}

// Latest also replaces events that OnConnect has sent, which wait for the
// connect answer.
func TestLatestInOnConnect(t *testing.T) {
	h := e2e.NewApp()
	h.Connect = func(c *mojo.Conn) error {
		for i := range 3 {
			require.NoError(t, c.Latest("a").Emit("price", i))
			require.NoError(t, c.Emit("between", i))
		}
		return nil
	}
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)

	socket.Expect("between", 0)
	socket.Expect("between", 1)
	socket.Expect("price", 2)
	socket.Expect("between", 2)
	socket.ExpectNothing()
}

// A client that does not read stays connected, no matter how often a value
// changes.
func TestLatestOfAStuckClient(t *testing.T) {
	h := e2e.NewApp()
	srv := e2e.NewServer(t, mojo.Options{Limits: mojo.Limits{MaxQueue: 16 << 10}})
	e2e.Register(t, srv, "Chat", h)
	site := siotest.Serve(t, siotest.Memory, srv)
	client := siotest.Dial(t, site, siotest.Options{Transport: "websocket", ReadBuffer: 1 << 10})
	socket := client.Connect(e2e.ChatNamespace, nil)
	conn := e2e.Await(t, h.Accepted)
	client.Engine.Pause()
	const last = 20_000
	payload := string(make([]byte, 1000))

	for i := range last + 1 {
		require.NoError(t, conn.Latest("a").Emit("price", i, payload))
	}
	client.Engine.Resume()

	for i := -1; i != last; {
		var next int
		require.NoError(t, socket.Next().Decode(0, &next))
		require.Greater(t, next, i)
		i = next
	}
	socket.ExpectNothing()
	require.NotZero(t, srv.Stats().Replaced)
}
