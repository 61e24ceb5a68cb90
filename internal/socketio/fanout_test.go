package socketio

import (
	"math/bits"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/parser"
)

// An event becomes one message for each namespace of the receivers, which all
// sockets of the namespace share.
func TestOneMessageForEachNamespace(t *testing.T) {
	server := NewServer(serverOptions())
	a, b, root := server.NewNamespace("/a", nil, Watchers{}), server.NewNamespace("/b", nil, Watchers{}), server.NewNamespace("/", nil, Watchers{})
	seats := seatsOn(a, b, a, root, b)
	payload, err := parser.EncodeEvent("event", []any{1})
	require.NoError(t, err)

	f, err := server.frame(&command.Emit{JSON: payload.JSON}, seats, 0)

	require.NoError(t, err)
	require.Len(t, f, 3)
	for n, want := range map[*Namespace]string{a: `2/a,["event",1]`, b: `2/b,["event",1]`, root: `2["event",1]`} {
		require.Equal(t, packetSize(want), f.messageFor(n).Size())
	}
	require.Nil(t, f.messageFor(server.NewNamespace("/c", nil, Watchers{})))

	one, err := server.frame(&command.Emit{Selector: command.Selector{Namespace: "/a"}, JSON: payload.JSON}, seats, 0)
	require.NoError(t, err)
	require.Len(t, one, 1)
}

// packetSize returns the size of a short message on a WebSocket: two bytes of
// header, the type of the engine, and the packet.
func packetSize(packet string) int { return 3 + len(packet) }

// The size of a message is checked before it is sent to any namespace, and also
// if there are no receivers.
func TestFrameChecksSizes(t *testing.T) {
	server := NewServer(serverOptions())
	limit := server.opts.Engine.MaxQueue
	long := server.NewNamespace("/"+strings.Repeat("n", 2000), nil, Watchers{})
	short := server.NewNamespace("/a", nil, Watchers{})
	payload, err := parser.EncodeEvent("event", []any{strings.Repeat("x", limit-1000)})
	require.NoError(t, err)

	_, err = server.frame(&command.Emit{JSON: payload.JSON}, seatsOn(short, long), 0)
	require.ErrorIs(t, err, ErrTooLarge, "the message is too large for one of the namespaces")
	_, err = server.frame(&command.Emit{JSON: payload.JSON}, seatsOn(short), 0)
	require.NoError(t, err)

	payload, err = parser.EncodeEvent("event", []any{strings.Repeat("x", limit)})
	require.NoError(t, err)
	_, err = server.frame(&command.Emit{JSON: payload.JSON}, nil, 0)
	require.ErrorIs(t, err, ErrTooLarge)
}

// seatsOn returns a seat on each of the namespaces.
func seatsOn(namespaces ...*Namespace) (seats []*hub.Seat) {
	for _, n := range namespaces {
		seats = append(seats, &newSocket(new(client), n).seat)
	}
	return seats
}

// A Socket is small. The fields that a broadcast reads are on one line of the
// processor's cache: memory of this size, which is 256 with what is unused,
// begins at a multiple of a line.
func TestSocketsAreSmall(t *testing.T) {
	if bits.UintSize < 64 {
		t.Skip("the sizes are for pointers of 8 bytes")
	}
	const cacheLine = 64
	var s Socket
	require.Equal(t, uintptr(248), unsafe.Sizeof(s))
	require.Equal(t, uintptr(224), unsafe.Sizeof(client{}))
	owner := unsafe.Offsetof(s.seat) + unsafe.Offsetof(s.seat.Owner)
	require.Zero(t, owner%cacheLine)
	require.Less(t, unsafe.Offsetof(s.held)-owner, uintptr(cacheLine))
}
