package delivery

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// A site can ask which rooms there are, and how many are in them.
func TestRoomsAndSizes(t *testing.T) {
	h := e2e.NewApp()
	srv, ch := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	var conns []*mojo.Conn
	for range 3 {
		e2e.Dial(t, site, "websocket").Connect(e2e.ChatNamespace, nil)
		conns = append(conns, e2e.Await(t, h.Accepted))
	}
	require.Empty(t, maps.Collect(ch.Rooms()))
	require.NoError(t, conns[0].Join("hall", "kitchen"))
	require.NoError(t, conns[1].Join("hall"))

	require.Equal(t, map[string]int{"hall": 2, "kitchen": 1}, maps.Collect(ch.Rooms()))
	require.Equal(t, 2, ch.To("hall").Len())
	require.Equal(t, 2, ch.To("hall", "kitchen").Len())
	require.Equal(t, 1, ch.To("hall").Except("kitchen").Len())
	require.Equal(t, 2, conns[0].Broadcast().Len())
	require.Equal(t, 1, conns[2].Volatile().Len())
	require.Zero(t, ch.To("attic").Len())
	require.Zero(t, mojo.Broadcast{}.Len())
	for range ch.Rooms() { // it may be left early
		break
	}

	require.NoError(t, conns[0].Disconnect())
	e2e.Await(t, h.Ended)
	require.Equal(t, map[string]int{"hall": 1}, maps.Collect(ch.Rooms()))
	for range new(mojo.Channel).Rooms() {
		t.Fatal("the zero Channel has no rooms")
	}
}

// The id of a connection is a room with that connection alone. Nobody else can
// join it, nor a room that looks like one.
func TestConnIDIsARoom(t *testing.T) {
	h := e2e.NewApp()
	srv, ch := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	var sockets []*siotest.Socket
	var conns []*mojo.Conn
	for range 3 {
		sockets = append(sockets, e2e.Dial(t, site, "websocket").Connect(e2e.ChatNamespace, nil))
		conns = append(conns, e2e.Await(t, h.Accepted))
	}
	require.NoError(t, conns[1].Join("room"))

	require.NoError(t, ch.To(conns[0].ID()).Emit("to one"))
	require.NoError(t, ch.To(conns[0].ID(), "room").Emit("to two"))
	require.NoError(t, ch.Except(conns[0].ID()).Emit("to the others"))
	require.NoError(t, ch.To(conns[0].ID()).Join("joined"))

	sockets[0].Expect("to one")
	sockets[0].Expect("to two")
	sockets[1].Expect("to two")
	sockets[1].Expect("to the others")
	sockets[2].Expect("to the others")
	for _, s := range sockets {
		s.ExpectNothing()
	}
	require.Equal(t, []string{"joined"}, conns[0].Rooms())

	require.NoError(t, conns[0].Join(conns[0].ID(), "joined"), "it is in it already")
	require.Equal(t, []string{"joined"}, conns[0].Rooms())
	for _, err := range []error{conns[1].Join(conns[0].ID()), ch.To("room").Join(conns[0].ID())} {
		require.ErrorIs(t, err, mojo.ErrRoomName)
		require.ErrorContains(t, err, "looks like the id of a connection")
	}
	require.NoError(t, conns[1].Join("01ARZ3NDEKTSV4RRFFQ69G5FAV"), "a ULID")
}
