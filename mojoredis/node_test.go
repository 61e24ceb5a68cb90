package mojoredis_test

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/mojoredis"
)

// limit is how long a test waits for what must happen.
const limit = 10 * time.Second

// node is a cluster.Node that passes on what it gets.
type node struct {
	tb       testing.TB
	events   chan *cluster.Event
	commands chan *cluster.Command
	controls chan string
	states   chan cluster.LinkState
	rooms    []string // that are occupied in some namespaces; nil: all in all
	link     cluster.Link
	bus      *mojoredis.Bus
	seen     uint64 // the malformed messages that wasMalformed has counted
}

func newNode(tb testing.TB, rooms ...string) *node {
	const many = 10_000
	return &node{
		tb: tb, rooms: rooms,
		events: make(chan *cluster.Event, many), commands: make(chan *cluster.Command, many),
		controls: make(chan string, many), states: make(chan cluster.LinkState, many),
	}
}

func (n *node) Event(e *cluster.Event)       { n.events <- e }
func (n *node) Command(c *cluster.Command)   { n.commands <- c }
func (n *node) Control(sealed []byte)        { n.controls <- string(sealed) }
func (n *node) Link(state cluster.LinkState) { n.states <- state }

func (n *node) Occupied(namespace, room string) bool {
	known := slices.Contains([]string{"/", "/chat", "/x", "/x#y"}, namespace)
	return n.rooms == nil || known && (room == "" || slices.Contains(n.rooms, room))
}

// open opens a node on a bus and waits until it is connected.
func open(tb testing.TB, bus cluster.Bus, name string, n cluster.Node, states <-chan cluster.LinkState) cluster.Link {
	tb.Helper()
	link, err := bus.Open(name, n)
	require.NoError(tb, err)
	tb.Cleanup(func() { link.Close() })
	require.Equal(tb, cluster.LinkUp, await(tb, states))
	return link
}

// openNode opens a node on the shared Redis.
func openNode(tb testing.TB, key, name string, rooms ...string) *node {
	tb.Helper()
	redistest.Require(tb)
	n := newNode(tb, rooms...)
	n.bus = mojoredis.New(newClient(tb, shared.Addr), mojoredis.Options{Key: key, Logger: quiet})
	n.link = open(tb, n.bus, name, n, n.states)
	return n
}

// wasMalformed reports whether messages were malformed since the last call.
func (n *node) wasMalformed() bool {
	before := n.seen
	n.seen = n.bus.Stats().Malformed
	return n.seen > before
}

func (n *node) publish(messages ...cluster.Message) {
	n.tb.Helper()
	require.NoError(n.tb, n.link.Publish(n.tb.Context(), messages))
}

// mark sends a message to the node itself and waits for it. All that was
// published on the shared Redis before has arrived then.
func (n *node) mark(name string) {
	n.tb.Helper()
	n.publish(cluster.Message{Control: []byte("mark"), To: name})
	require.Equal(n.tb, "mark", await(n.tb, n.controls))
}

// await receives from a channel.
func await[T any](tb testing.TB, from <-chan T) T {
	tb.Helper()
	return awaitFor(tb, limit, from)
}

// awaitFor is await with a limit.
func awaitFor[T any](tb testing.TB, limit time.Duration, from <-chan T) T {
	tb.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case v := <-from:
		return v
	case <-timer.C:
		require.FailNow(tb, "nothing has come")
		panic("unreachable")
	}
}

// subscriber is a program that listens on channels of Redis.
type subscriber struct {
	tb     testing.TB
	pubsub *redis.PubSub
}

func subscribe(tb testing.TB, client *redis.Client, pattern string) *subscriber {
	tb.Helper()
	pubsub := client.PSubscribe(tb.Context(), pattern)
	tb.Cleanup(func() { pubsub.Close() })
	_, err := pubsub.Receive(tb.Context())
	require.NoError(tb, err)
	return &subscriber{tb, pubsub}
}

// next returns the next message.
func (s *subscriber) next() (channel, payload string) {
	s.tb.Helper()
	received, err := s.pubsub.ReceiveTimeout(s.tb.Context(), limit)
	require.NoError(s.tb, err)
	message, ok := received.(*redis.Message)
	require.True(s.tb, ok, "got %v", received)
	return message.Channel, message.Payload
}
