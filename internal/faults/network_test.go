package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// network is a way to a server on which things go wrong.
type network interface {
	dial(ctx context.Context) (net.Conn, error)
	roughen(t *testing.T) // delay and loss from now on
	cut(t *testing.T)     // nothing arrives any more, in either direction, and nobody is told
	reset(t *testing.T)   // every connection, for both sides, when it is next used at the latest
	restore()             // no more faults for new connections
}

// opener serves a handler over a network of its own. The site is for clients that go another way.
type opener func(t *testing.T, h http.Handler) (*siotest.Site, network)

// networkFaults runs all tests of a kind of network.
func networkFaults(t *testing.T, open opener) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, opener, string){
		"delay and loss": delayAndLoss,
		"half-open":      halfOpen,
		"reset":          reset,
	} {
		t.Run(name, func(t *testing.T) {
			for _, transport := range transports {
				t.Run(transport, func(t *testing.T) { test(t, open, transport) })
			}
		})
	}
}

// delayAndLoss: everything arrives, once and in order, in both directions; the upgrade is made under these
// conditions, too.
func delayAndLoss(t *testing.T, open opener, transport string) {
	const pace, after = 500 * time.Microsecond, 200
	h := newApp()
	heard := make(chan int, 1<<20)
	h.message = func(_ *mojo.Conn, m *mojo.Message) {
		var i int
		var padding []byte
		if m.Event() == "up" && m.Decode(&i, &padding) == nil && len(padding) == size(i) {
			heard <- i
		}
	}
	srv, ch := newServer(t, mojo.Options{}, h)
	site, net := open(t, srv)
	net.roughen(t)
	begin := transport
	if transport == "upgrade" {
		begin = "polling"
	}
	client, socket := dial(t, site, siotest.Options{Transport: begin, Dial: net.dial})
	conn := await(t, h.accepted)
	begun := make(chan struct{})
	down := fire(pace, after, begun, func(i int) error { return ch.Emit("down", i, make([]byte, size(i))) })
	up := fire(pace, after, begun, func(i int) error { socket.Emit("up", i, make([]byte, size(i))); return nil })
	if transport == "upgrade" {
		client.Engine.Upgrade()
	}
	close(begun)
	sentDown, sentUp := await(t, down), await(t, up)
	require.NoError(t, errors.Join(sentDown.err, sentUp.err))
	for i := range sentUp.n {
		require.Equal(t, i, await(t, heard))
	}
	for i := range sentDown.n {
		e := socket.Next()
		var n int
		e.Arg(0, &n)
		require.Equal(t, i, n)
		require.Len(t, e.Bytes(1), size(i))
	}
	require.Equal(t, "[true]", socket.Call("echo", true).JSON())
	require.Empty(t, heard)
	require.Empty(t, h.ended)
	client.Close()
	require.Equal(t, ending{conn, mojo.ReasonTransportClose}, await(t, h.ended))
}

// size is that of the attachment of an event: less and more than a segment.
func size(i int) int { return i % 300 * 10 }

// halfOpen: a client that nobody told of the end is missed by the heartbeat. The handler is told once, and nothing
// is left on the server's side.
func halfOpen(t *testing.T, open opener, transport string) {
	h := newApp()
	srv, ch := newServer(t, mojo.Options{Timeouts: mojo.Timeouts{PingInterval: 400 * time.Millisecond, PingTimeout: 400 * time.Millisecond}}, h)
	site, net := open(t, srv)
	client, _ := dial(t, site, siotest.Options{Transport: transport, Dial: net.dial})
	conn := await(t, h.accepted)
	_, other := dial(t, site, siotest.Options{Transport: transport})
	client.Engine.NextPing()

	net.cut(t)

	require.NoError(t, ch.Emit("event"))
	require.Equal(t, ending{conn, mojo.ReasonPingTimeout}, await(t, h.ended))
	other.Expect("event")
	waitUntil(t, "the other is left", func() bool { s := srv.Stats(); return s.Connections == 1 && s.WebSockets <= 1 })
	require.Equal(t, 1, ch.Len())
	other.ExpectNothing()
	shutdown(t, srv)
	require.Len(t, h.ended, 1, "only the other was told of besides")
	requireNobody(t, srv, ch)
}

// reset at any moment, in the midst of traffic: the handler is told once, the client can come back, and nothing is
// left.
func reset(t *testing.T, open opener, transport string) {
	h := newApp()
	srv, ch := newServer(t, mojo.Options{Timeouts: mojo.Timeouts{PingInterval: 300 * time.Millisecond, PingTimeout: 300 * time.Millisecond}}, h)
	site, net := open(t, srv)
	for i := range times(500) {
		client, socket := dial(t, site, siotest.Options{Transport: transport, Dial: net.dial})
		conn := await(t, h.accepted)
		for j := range i % 10 {
			socket.Emit("up", j, make([]byte, 1000))
			require.NoError(t, ch.Emit("down", fmt.Sprint(i, j), make([]byte, 1000)))
		}

		net.reset(t)

		if transport == "polling" { // between two requests it can go on
			client.Engine.Drop()
		}
		e := await(t, h.ended)
		require.Equal(t, conn, e.conn)
		require.Contains(t, []mojo.Reason{
			mojo.ReasonTransportClose, mojo.ReasonTransportError,
			mojo.ReasonPingTimeout, // of who was between two polls
		}, e.reason)
		client.Engine.Drop()
		net.restore()
	}
	waitUntil(t, "all have gone", func() bool { return srv.Stats().Connections == 0 && srv.Stats().WebSockets == 0 })
	requireNobody(t, srv, ch)
	require.Empty(t, h.ended)
}
