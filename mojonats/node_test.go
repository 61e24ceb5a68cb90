package mojonats_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/mojonats"
)

// limit is how long a test waits for what must happen.
const limit = 10 * time.Second

// node is a cluster.Node that passes on what it gets.
type node struct {
	tb       testing.TB
	events   chan *cluster.Event
	controls chan string
	states   chan cluster.LinkState
	rooms    []string // of the namespace "/" that are occupied
	link     cluster.Link
	name     string
}

func newNode(tb testing.TB, rooms ...string) *node {
	const many = 100_000
	return &node{
		tb: tb, rooms: rooms, events: make(chan *cluster.Event, many),
		controls: make(chan string, many), states: make(chan cluster.LinkState, many),
	}
}

func (n *node) Event(e *cluster.Event)       { n.events <- e }
func (n *node) Command(*cluster.Command)     {}
func (n *node) Control(sealed []byte)        { n.controls <- string(sealed) }
func (n *node) Link(state cluster.LinkState) { n.states <- state }

func (n *node) Occupied(namespace, room string) bool {
	return namespace == "/" && (room == "" || slices.Contains(n.rooms, room))
}

// open opens the node on a bus, and tells its Link which rooms are occupied.
func (n *node) open(bus cluster.Bus, name string) *node {
	n.tb.Helper()
	n.name = name
	var err error
	n.link, err = bus.Open(name, n)
	require.NoError(n.tb, err)
	n.tb.Cleanup(func() { n.link.Close() })
	for _, room := range append([]string{""}, n.rooms...) {
		n.link.(cluster.Occupier).Occupy("/", room, true)
	}
	return n
}

// openNode opens a node and waits until it is connected.
func openNode(tb testing.TB, addr, name string, options mojonats.Options, rooms ...string) *node {
	tb.Helper()
	if options.Logger == nil {
		options.Logger = quiet
	}
	n := newNode(tb, rooms...).open(mojonats.New(connect(tb, addr), options), name)
	n.awaitLink(cluster.LinkUp)
	return n
}

// awaitLink waits for the next report.
func (n *node) awaitLink(want cluster.LinkState) {
	n.tb.Helper()
	require.Equal(n.tb, want, await(n.tb, n.states))
}

func (n *node) publish(messages ...cluster.Message) {
	n.tb.Helper()
	require.NoError(n.tb, n.link.Publish(n.tb.Context(), messages))
}

// mark sends a control message to the node itself and waits for it. It must be
// the next that the node gets.
func (n *node) mark() {
	n.tb.Helper()
	n.publish(control(n.name, "mark"))
	require.Equal(n.tb, "mark", await(n.tb, n.controls))
}

// tell sends a control message to another node and waits for it.
func (n *node) tell(other *node, text string) {
	n.tb.Helper()
	n.publish(control(other.name, text))
	require.Equal(n.tb, text, await(n.tb, other.controls))
}

func control(to, text string) cluster.Message {
	return cluster.Message{Control: []byte(text), To: to}
}

// event returns an event for a room of "/".
func event(room, data string) cluster.Message {
	return cluster.Message{Event: &cluster.Event{Address: cluster.Address{Namespace: "/", Rooms: []string{room}}, Data: []byte(data)}}
}

// await receives from a channel.
func await[T any](tb testing.TB, from <-chan T) T {
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
