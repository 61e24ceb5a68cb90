package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/cluster/clustertest"
)

// TestMemory runs the conformance suite on a Memory.
func TestMemory(t *testing.T) {
	clustertest.Run(t, func(*testing.T) clustertest.Broker {
		var m cluster.Memory
		return clustertest.Broker{
			Bus:       func(string) cluster.Bus { return &m },
			Cut:       func(node string) { m.Cut(node) },
			Reconnect: func(node string) { m.Reconnect(node) },
			Restart: func() {
				nodes := m.Nodes()
				m.Cut(nodes...)
				m.Reconnect(nodes...)
			},
		}
	})
}

// listener is a node that writes down what it gets: "up", "down", "resumed", or
// the text of a message.
type listener struct {
	name    string
	link    cluster.Link
	blocked chan struct{} // messages wait until it is closed; nil: they do not

	mu     sync.Mutex
	heard  []string
	times  []time.Time
	events []*cluster.Event
	vacant bool // no room is occupied
}

func listen(t *testing.T, m *cluster.Memory, name string) *listener {
	t.Helper()
	l := &listener{name: name}
	l.open(t, m)
	return l
}

func (l *listener) open(t *testing.T, m *cluster.Memory) {
	t.Helper()
	link, err := m.Open(l.name, l)
	require.NoError(t, err)
	l.link = link
	t.Cleanup(func() { require.NoError(t, link.Close()) })
}

func (l *listener) hear(text string) {
	if l.blocked != nil {
		<-l.blocked
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, text)
	l.times = append(l.times, time.Now())
}

func (l *listener) Link(state cluster.LinkState) {
	l.hear([]string{"down", "up", "resumed"}[state])
}

func (l *listener) Event(e *cluster.Event) {
	l.hear(string(e.Data))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *listener) Command(c *cluster.Command) { l.hear(c.Names[0]) }
func (l *listener) Control(sealed []byte)      { l.hear(string(sealed)) }

func (l *listener) Occupied(string, string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.vacant
}

// take returns what was heard since the last call, in one line, when all
// goroutines of the bubble wait.
func (l *listener) take() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	line := strings.Join(l.heard, " ")
	l.heard, l.times = nil, nil
	return line
}

// say publishes control messages to all other nodes.
func (l *listener) say(texts ...string) error { return l.sayTo("", texts...) }

func (l *listener) sayTo(to string, texts ...string) error {
	var messages []cluster.Message
	for _, text := range texts {
		messages = append(messages, cluster.Message{Control: []byte(text), To: to})
	}
	return l.link.Publish(context.Background(), messages)
}

// numbers returns the numbers below n as texts.
func numbers(prefix string, n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("%s%03d", prefix, i))
	}
	return texts
}

func TestMemoryNodes(t *testing.T) {
	m := cluster.NewMemory()
	require.Empty(t, m.Nodes())
	listen(t, m, "b")
	a := listen(t, m, "a")
	require.Equal(t, []string{"a", "b"}, m.Nodes())
	require.NoError(t, a.link.Close())
	require.Equal(t, []string{"b"}, m.Nodes())
}

func TestMemoryOpenErrors(t *testing.T) {
	m := cluster.NewMemory()
	listen(t, m, "a")
	_, err := m.Open("a", &listener{})
	require.EqualError(t, err, `cluster: a node "a" is open already`)
	_, err = m.Open("b", nil)
	require.EqualError(t, err, "cluster: the node is nil")
	_, err = m.Open("b c", &listener{})
	require.EqualError(t, err, `cluster: the name of a node is "b c", must be 1 to 64 ASCII letters and digits`)
}

// TestMemoryPublishErrors publishes what is not a message. Nothing of the batch
// arrives.
func TestMemoryPublishErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		a, b := listen(t, m, "a"), listen(t, m, "b")
		good := cluster.Message{Control: []byte("good")}
		for _, c := range []struct {
			bad  cluster.Message
			want string
		}{
			{cluster.Message{}, "has 0 of Event, Command and Control, must have 1"},
			{cluster.Message{To: "b"}, "has 0 of Event, Command and Control, must have 1"},
			{cluster.Message{Event: &cluster.Event{}, Control: []byte("x")}, "has 2 of Event, Command and Control, must have 1"},
			{cluster.Message{Event: &cluster.Event{}, To: "b"}, "has To, which is for Control only"},
		} {
			err := a.link.Publish(t.Context(), []cluster.Message{good, c.bad})
			require.EqualError(t, err, "cluster: publish: message 2 of 2 "+c.want)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, a.link.Publish(ended, []cluster.Message{good}), context.Canceled)
		require.Equal(t, "up", b.take())
	})
}

// TestMemoryCopies lets two receivers change the event that they keep.
func TestMemoryCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		a, b, c := listen(t, m, "a"), listen(t, m, "b"), listen(t, m, "c")
		event := &cluster.Event{
			Address:     cluster.Address{Namespace: "/", Rooms: []string{"r"}, Except: []string{"x"}},
			Data:        []byte(`["e"]`),
			Attachments: [][]byte{{1, 2}},
		}
		require.NoError(t, a.link.Publish(t.Context(), []cluster.Message{{Event: event}}))
		synctest.Wait()
		kept := b.events[0]
		require.Equal(t, event, kept)
		kept.Rooms[0], kept.Except[0], kept.Data[0], kept.Attachments[0][0] = "y", "y", '!', 9
		require.Equal(t, event, c.events[0])
		require.Equal(t, []string{"r"}, event.Rooms)
	})
}

// TestMemoryAsksOccupied drops events for rooms that nobody is in.
func TestMemoryAsksOccupied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		a, b := listen(t, m, "a"), listen(t, m, "b")
		b.vacant = true
		event := &cluster.Event{Address: cluster.Address{Namespace: "/", Rooms: []string{"r", "s"}}, Data: []byte("event")}
		command := &cluster.Command{Address: event.Address, Names: []string{"command"}}
		require.NoError(t, a.link.Publish(t.Context(), []cluster.Message{{Event: event}, {Command: command}}))
		require.Equal(t, "up command", b.take())
	})
}

// TestMemoryFull blocks a node until its queue is full. It is told once that it
// has missed messages, and gets what is published later.
func TestMemoryFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		m.SetFaults(cluster.Faults{Queue: 3})
		a, b := listen(t, m, "a"), &listener{name: "b", blocked: make(chan struct{})}
		b.open(t, m)
		synctest.Wait() // b holds LinkUp, which is not in the queue any more
		require.NoError(t, a.say("1", "2", "3", "4"))
		require.NoError(t, a.say("5"))
		close(b.blocked)
		require.Equal(t, "up 1 2 3 resumed", b.take())
		for range 2 {
			require.NoError(t, a.say("1", "2", "3", "4"))
			require.Equal(t, "1 2 3 resumed", b.take())
		}
		require.NoError(t, a.say("6"))
		require.Equal(t, "6", b.take())
	})
}

// TestMemoryFullOfBytes fills a queue with large messages.
func TestMemoryFullOfBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cluster.NewMemory()
		m.SetFaults(cluster.Faults{Queue: 100})
		a, b := listen(t, m, "a"), &listener{name: "b", blocked: make(chan struct{})}
		b.open(t, m)
		synctest.Wait()
		large := cluster.Message{Event: &cluster.Event{
			Address: cluster.Address{Namespace: "/"}, Data: []byte("large"), Attachments: [][]byte{make([]byte, 30<<10)},
		}}
		require.NoError(t, a.link.Publish(t.Context(), slices.Repeat([]cluster.Message{large}, 5)))
		close(b.blocked)
		require.Equal(t, "up large large large resumed", b.take())
		require.NoError(t, a.link.Publish(t.Context(), []cluster.Message{large, large}))
		require.Equal(t, "large large", b.take())
		m.SetFaults(cluster.Faults{Queue: 3}) // a large message has room by itself
		require.NoError(t, a.link.Publish(t.Context(), []cluster.Message{large}))
		require.Equal(t, "large", b.take())
	})
}
