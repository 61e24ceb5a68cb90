package mojonats_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/mojonats"
)

// fast are options of a node that notices faults soon.
func fast(text *logText) mojonats.Options {
	return mojonats.Options{Ping: 100 * time.Millisecond, Timeout: time.Second, Logger: text.logger()}
}

// A proxy stops to forward, but ends no connection.
func TestSilentConnection(t *testing.T) {
	p := newProxy(t, newServer(t).addr())
	n := openNode(t, p.addr(), "a", fast(new(logText)))
	n.mark()
	p.stall()
	n.awaitLink(cluster.LinkDown)
	p.forward()
	n.awaitLink(cluster.LinkResumed)
	n.mark()
}

// While nothing is forwarded, Publish ends with its context, and with Close.
func TestPublishOverSilentConnection(t *testing.T) {
	p := newProxy(t, newServer(t).addr())
	n := openNode(t, p.addr(), "a", mojonats.Options{Ping: time.Hour, Timeout: time.Hour})
	p.stall()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, n.link.Publish(ctx, []cluster.Message{control("a", "lost")}), context.DeadlineExceeded)

	p.forward()
	n.awaitLink(cluster.LinkDown)
	n.awaitLink(cluster.LinkResumed)
	p.stall()
	select {
	case <-p.held:
	default:
	}
	failed := make(chan error)
	go func() { failed <- n.link.Publish(context.Background(), []cluster.Message{control("a", "lost")}) }()
	await(t, p.held)
	require.NoError(t, n.link.Close())
	require.ErrorContains(t, await(t, failed), "the link is closed")
	require.Empty(t, n.controls)
}

// A message that was given up, and is still on its way, does not arrive after
// what is published later.
func TestGivenUpMessageDoesNotArriveLater(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s.addr())
	conn := connect(t, p.addr())
	n := newNode(t).open(mojonats.New(conn, mojonats.Options{Logger: quiet}), "a")
	n.awaitLink(cluster.LinkUp)
	other := openNode(t, s.addr(), "b", mojonats.Options{}, "room")
	p.stallFirst(2) // those of the site and of the node
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Error(t, n.link.Publish(ctx, []cluster.Message{event("room", `["given up"]`), control("b", "given up"), control("", "given up")}))
	n.awaitLink(cluster.LinkDown)
	n.awaitLink(cluster.LinkResumed)
	before := s.received()
	p.forward()
	require.Eventually(t, func() bool { return s.received() >= before+3 }, limit, time.Millisecond)
	n.tell(other, "later")
	require.Empty(t, other.events)
	require.Empty(t, other.controls)
}

// The queue of a node is full. Others are served, and the node is told.
func TestFullQueue(t *testing.T) {
	s := newServer(t)
	slow := &stuckNode{node: newNode(t), entered: make(chan struct{}, 1), leave: make(chan struct{})}
	dialer := new(countingDialer)
	bus := mojonats.New(connect(t, s.addr(), nats.SetCustomDialer(dialer)), mojonats.Options{MaxPending: 1 << 20, Logger: quiet})
	link, err := bus.Open("slow", slow)
	require.NoError(t, err)
	defer link.Close()
	slow.awaitLink(cluster.LinkUp)
	a, c := openNode(t, s.addr(), "a", mojonats.Options{}), openNode(t, s.addr(), "c", mojonats.Options{})
	a.publish(control("slow", "first"))
	await(t, slow.entered)
	const messages, size = 40, 1 << 17
	for i := range messages {
		a.publish(control("slow", fmt.Sprint(i, " ", strings.Repeat("x", size))))
		a.tell(c, "c")
	}
	require.Eventually(t, func() bool { return dialer.read.Load() > messages*size }, limit, time.Millisecond)
	close(slow.leave)
	slow.awaitLink(cluster.LinkResumed)
	require.NoError(t, link.Publish(t.Context(), []cluster.Message{control("slow", "last")}))
	got := []string{await(t, slow.controls)}
	for last := got[0]; last != "last"; last = got[len(got)-1] {
		got = append(got, await(t, slow.controls))
	}
	require.Equal(t, "first", got[0])
	require.Greater(t, len(got), 3)
	require.Less(t, len(got), messages)
	before := -1
	for _, text := range got[1 : len(got)-1] {
		i, err := strconv.Atoi(strings.Fields(text)[0])
		require.NoError(t, err)
		require.Greater(t, i, before, "they arrive in order")
		before = i
	}
	require.NotZero(t, bus.Stats().Lost)
	for len(slow.states) > 0 {
		slow.awaitLink(cluster.LinkResumed) // it was connected all the time
	}
}

// stuckNode is a node whose method Control does not return for a while.
type stuckNode struct {
	*node
	entered, leave chan struct{}
}

func (n *stuckNode) Control(sealed []byte) {
	select {
	case n.entered <- struct{}{}:
	default:
	}
	<-n.leave
	n.node.Control(sealed)
}

// The server ends the connection of a node that does not read.
func TestSlowConsumerIsDisconnected(t *testing.T) {
	s := newServer(t, func(o *server.Options) { o.MaxPending = 1 << 20; o.WriteDeadline = 200 * time.Millisecond })
	p := newProxy(t, s.addr())
	slow := openNode(t, p.addr(), "slow", mojonats.Options{})
	a := openNode(t, s.addr(), "a", mojonats.Options{})
	p.stall()
	for range 200 {
		a.publish(control("slow", strings.Repeat("x", 1<<17)))
	}
	a.mark()
	require.Eventually(t, func() bool { return s.running.NumSlowConsumers() > 0 }, limit, time.Millisecond)
	p.forward()
	slow.awaitLink(cluster.LinkDown)
	slow.awaitLink(cluster.LinkResumed)
}

// The node waits for a server that is started later.
func TestServerIsStartedLater(t *testing.T) {
	s := newServer(t)
	text := new(logText)
	conn := connect(t, s.addr())
	s.stop()
	bus := mojonats.New(conn, fast(text))
	n := newNode(t).open(bus, "a")
	require.ErrorContains(t, n.link.Publish(t.Context(), []cluster.Message{control("a", "x")}), "no connection to NATS")
	require.Eventually(t, func() bool { return bus.Stats().Disconnects >= 3 }, limit, time.Millisecond)
	require.Equal(t, 1, strings.Count(text.String(), "no connection to NATS"), "it is logged once a minute")
	s.start()
	n.awaitLink(cluster.LinkUp)
	n.mark()
}

func TestWrongPassword(t *testing.T) {
	s := newServer(t, func(o *server.Options) { o.Username, o.Password = "mojo", "right" })
	conn := connect(t, s.addr(), nats.UserInfo("mojo", "wrong"), nats.RetryOnFailedConnect(true))
	text := new(logText)
	n := newNode(t).open(mojonats.New(conn, fast(text)), "a")
	require.Eventually(t, func() bool { return strings.Contains(text.String(), "Authorization Violation") }, limit, time.Millisecond)
	require.Error(t, n.link.Publish(t.Context(), []cluster.Message{control("a", "x")}))
	require.Empty(t, n.states)
	require.NotContains(t, text.String(), "wrong")
}

// What a user may not do would be lost in silence, so the node is not connected.
func TestMissingPermission(t *testing.T) {
	for name, permissions := range map[string]*server.Permissions{
		"publish":      {Publish: &server.SubjectPermission{Deny: []string{"mojo.all"}}},
		"subscription": {Subscribe: &server.SubjectPermission{Deny: []string{"mojo.node.>"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(o *server.Options) {
				o.Users = []*server.User{{Username: "mojo", Password: "right", Permissions: permissions}}
			})
			text := new(logText)
			n := newNode(t).open(mojonats.New(connect(t, s.addr(), nats.UserInfo("mojo", "right")), fast(text)), "a")
			require.Eventually(t, func() bool { return strings.Contains(text.String(), "ermissions Violation") }, limit, time.Millisecond)
			require.Contains(t, strings.ToLower(text.String()), name)
			require.NoError(t, n.link.Close())
		})
	}
}

// A room that the user may not subscribe to ends the connection, which is
// reported.
func TestMissingPermissionForRoom(t *testing.T) {
	s := newServer(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "mojo", Password: "right", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Deny: []string{"mojo.room.=.secret"}},
		}}}
	})
	text := new(logText)
	n := newNode(t).open(mojonats.New(connect(t, s.addr(), nats.UserInfo("mojo", "right")), fast(text)), "a")
	n.awaitLink(cluster.LinkUp)
	n.link.(cluster.Occupier).Occupy("/", "secret", true)
	n.awaitLink(cluster.LinkDown)
	require.Contains(t, text.String(), "ermissions Violation")
	n.link.(cluster.Occupier).Occupy("/", "secret", false)
	for await(t, n.states) != cluster.LinkResumed {
	}
}
