package lifecycle

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Conn.Close disconnects the client from all its apps, with a packet for each,
// so that it does not reconnect.
func TestConnClose(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		client, other := twoApps(t, n, transport, h)
		socket := client.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)
		require.NoError(t, conn.Emit("last"))

		require.NoError(t, conn.Close())

		socket.Expect("last")
		require.Equal(t, siotest.ReasonServerDisconnect, socket.AwaitDisconnected())
		require.Equal(t, siotest.ReasonServerDisconnect, other.AwaitDisconnected())
		require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonServerDisconnect}, e2e.Await(t, h.Ended))
		require.ErrorIs(t, conn.Close(), mojo.ErrNotConnected)
	})
}
