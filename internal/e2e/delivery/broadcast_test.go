package delivery

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Rooms belong to a Channel. To and Except on a view of the whole Server return
// an error, because the Server has no rooms.
func TestRoomsNeedAChannel(t *testing.T) {
	w := e2e.NewVisitors(t, siotest.Memory, "websocket")
	users := w.Srv.LoggedInSessions()
	for name, b := range map[string]mojo.Broadcast{
		"Sessions.To":      users.To("first"),
		"Sessions.Except":  users.Except("first"),
		"Sessions.Of.To":   users.Of("bob").To("first").Volatile(),
		"Session.Except":   users.Get("ann").Except("first"),
		"CurrentSessions":  w.Srv.CurrentSessions().To("first").Without(),
		"Sessions.Local":   users.Local().To("first"),
		"Broadcast.Except": users.Latest("k").Except("first"),
	} {
		t.Run(name, func(t *testing.T) {
			const want = "mojo: rooms belong to a Channel; want one for To and Except, not the whole Server"
			require.EqualError(t, b.Emit("event"), want)
			require.EqualError(t, b.Join("room"), want)
			require.EqualError(t, b.Leave("first"), want)
			require.EqualError(t, b.Disconnect(), want)
			require.Empty(t, slices.Collect(b.Conns()))
		})
	}
	require.Equal(t, 6, w.Chat.Len())
	require.NoError(t, users.To().Emit("to nobody"))
}

// A Broadcast that was made from a Conn acts on that connection alone.
func TestBroadcastOfAConn(t *testing.T) {
	w := e2e.NewVisitors(t, siotest.Memory, "websocket")
	guest := w.Conn(t, "guest")
	own := guest.Volatile()

	require.NoError(t, own.Join("corner"))
	require.Equal(t, []*mojo.Conn{guest}, slices.Collect(own.Conns()))
	require.Equal(t, []*mojo.Conn{guest}, slices.Collect(w.Chat.To("corner").Conns()))
	require.NoError(t, own.Leave("corner"))
	require.Empty(t, guest.Rooms())
	require.NoError(t, own.Disconnect())
	require.Equal(t, "io server disconnect", w.Sockets["guest"].AwaitDisconnected())
	require.ErrorIs(t, own.Emit("late"), mojo.ErrNotConnected)
	require.Empty(t, slices.Collect(own.Conns()))
	require.Equal(t, 5, w.Chat.Len())
}

// An event for several users is encoded once.
func TestOfEncodesOnce(t *testing.T) {
	w := e2e.NewVisitors(t, siotest.Memory, "websocket")
	encoded := 0

	require.NoError(t, w.Srv.LoggedInSessions().Of("ann", "bob").Emit("event", countedJSON{&encoded}))

	for _, name := range []string{"tab1", "tab1/news", "tab2", "phone", "bob", "bob/news"} {
		w.Sockets[name].Expect("event", "counted")
	}
	require.Equal(t, 1, encoded)
}

type countedJSON struct{ encoded *int }

func (c countedJSON) MarshalJSON() ([]byte, error) {
	*c.encoded++
	return []byte(`"counted"`), nil
}
