package cluster

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// occupied is a Memory whose Links are Occupiers. It records what they are told.
type occupied struct {
	*cluster.Memory
	mu    sync.Mutex
	rooms map[string]bool // by the namespace, a space and the room
	calls int
}

func (b *occupied) Open(name string, n cluster.Node) (cluster.Link, error) {
	link, err := b.Memory.Open(name, n)
	return occupiedLink{link, b}, err
}

type occupiedLink struct {
	cluster.Link
	bus *occupied
}

func (l occupiedLink) Occupy(namespace, room string, is bool) {
	l.bus.mu.Lock()
	defer l.bus.mu.Unlock()
	l.bus.rooms[namespace+" "+room] = is
	l.bus.calls++
}

func (b *occupied) is(namespace, room string) (occupied, told bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	occupied, told = b.rooms[namespace+" "+room]
	return occupied, told
}

// A Link that is an Occupier knows each namespace, and each room while
// connections of its node are in it.
func TestOccupier(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		bus := &occupied{Memory: cluster.NewMemory(), rooms: make(map[string]bool)}
		n := start(t, bus)
		is := func(want bool, room string) {
			t.Helper()
			got, told := bus.is(e2e.ChatNamespace, room)
			require.True(t, told, room)
			require.Equal(t, want, got, room)
		}
		is(true, "")

		sockets := []*siotest.Socket{n.connect(t, transport), n.connect(t, transport)}
		var conns []*mojo.Conn
		for c := range n.chat.Conns() {
			conns = append(conns, c)
		}
		require.Len(t, conns, 2)
		require.NoError(t, conns[0].Join("tea", "coffee"))
		is(true, "tea")
		is(true, "coffee")
		calls := bus.calls
		require.NoError(t, conns[1].Join("tea"))
		require.Equal(t, calls, bus.calls, "the room was occupied before")
		conns[0].Leave("tea")
		is(true, "tea")
		conns[1].Leave("tea")
		is(false, "tea")
		require.NoError(t, n.chat.To("coffee").Join("cake"))
		is(true, "cake")

		// The end of a connection leaves its rooms.
		require.NoError(t, conns[1].Join("other"))
		for _, socket := range sockets {
			socket.Disconnect()
		}
		settle()
		for _, room := range []string{"coffee", "cake", "other"} {
			is(false, room)
		}
		is(true, "")
	})
}
