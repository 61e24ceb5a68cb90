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
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// network is a network with faults between clients and a server.
type network interface {
	dial(ctx context.Context) (net.Conn, error)
	delayAndLose(t *testing.T) // begins to delay and lose data
	cut(t *testing.T)          // drops all data in both directions
	reset(t *testing.T)        // resets every connection on both sides, at its next use at the latest
	restore()                  // makes new connections work without faults
}

// opener serves a handler and returns a network with faults in front of it.
// Clients of the Site do not use that network.
type opener func(t *testing.T, h http.Handler) (*siotest.Site, network)

// networkFaults runs all tests of network faults on a kind of network.
func networkFaults(t *testing.T, open opener) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, opener, string){
		"delay and loss": delayAndLoss,
		"half-open":      halfOpen,
		"reset":          reset,
	} {
		t.Run(name, func(t *testing.T) {
			for _, transport := range e2e.Transports {
				t.Run(transport, func(t *testing.T) { test(t, open, transport) })
			}
		})
	}
}

// With delay and loss every message arrives once and in order, in both
// directions, also during an upgrade.
func delayAndLoss(t *testing.T, open opener, transport string) {
	const pace, after = 500 * time.Microsecond, 200
	h := newApp()
	received := make(chan int, 1<<20)
	h.Message = func(_ *mojo.Conn, m *mojo.Message) {
		var i int
		var padding []byte
		if m.Event() == "up" && m.Decode(&i, &padding) == nil && len(padding) == size(i) {
			received <- i
		}
	}
	srv, ch := newServer(t, mojo.Options{}, h)
	site, net := open(t, srv)
	net.delayAndLose(t)
	begin := transport
	if transport == "upgrade" {
		begin = "polling"
	}
	client, socket := dial(t, site, siotest.Options{Transport: begin, Dial: net.dial})
	conn := e2e.Await(t, h.Accepted)
	upgraded := make(chan struct{})
	down := fire(pace, after, upgraded, func(i int) error { return ch.Emit("down", i, make([]byte, size(i))) })
	up := fire(pace, after, upgraded, func(i int) error { socket.Emit("up", i, make([]byte, size(i))); return nil })
	if transport == "upgrade" {
		client.Engine.Upgrade()
	}
	close(upgraded)
	sentDown, sentUp := e2e.Await(t, down), e2e.Await(t, up)
	require.NoError(t, errors.Join(sentDown.err, sentUp.err))
	for i := range sentUp.n {
		require.Equal(t, i, e2e.Await(t, received))
	}
	for i := range sentDown.n {
		e := socket.Next()
		var n int
		e.Arg(0, &n)
		require.Equal(t, i, n)
		require.Len(t, e.Bytes(1), size(i))
	}
	require.Equal(t, "[true]", socket.Call("echo", true).JSON())
	require.Empty(t, received)
	require.Empty(t, h.Ended)
	client.Close()
	require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonTransportClose}, e2e.Await(t, h.Ended))
}

// size returns the size of the attachment of event i. It ranges from less than
// a segment to more than two.
func size(i int) int { return i % 300 * 10 }

// The heartbeat ends the connection of a client whose network is cut.
// OnDisconnect runs once, and the views are empty in the end.
func halfOpen(t *testing.T, open opener, transport string) {
	h := newApp()
	srv, ch := newServer(t, mojo.Options{Timeouts: mojo.Timeouts{PingInterval: 400 * time.Millisecond, PingTimeout: 400 * time.Millisecond}}, h)
	site, net := open(t, srv)
	client, _ := dial(t, site, siotest.Options{Transport: transport, Dial: net.dial})
	conn := e2e.Await(t, h.Accepted)
	_, other := dial(t, site, siotest.Options{Transport: transport})
	client.Engine.NextPing()

	net.cut(t)

	require.NoError(t, ch.Emit("event"))
	require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonPingTimeout}, e2e.Await(t, h.Ended))
	other.Expect("event")
	e2e.WaitUntil(t, "only the other connection is open", func() bool { s := srv.Stats(); return s.Connections == 1 && s.WebSockets <= 1 })
	require.Equal(t, 1, ch.Len())
	other.ExpectNothing()
	e2e.Shutdown(t, srv)
	require.Len(t, h.Ended, 1, "OnDisconnect runs once for the other connection")
	requireNoConnections(t, srv, ch)
}

// If a TCP reset ends a connection at any time, OnDisconnect runs once, the
// client can reconnect, and the views are empty in the end.
func reset(t *testing.T, open opener, transport string) {
	h := newApp()
	srv, ch := newServer(t, mojo.Options{Timeouts: mojo.Timeouts{PingInterval: 300 * time.Millisecond, PingTimeout: 300 * time.Millisecond}}, h)
	site, net := open(t, srv)
	for i := range e2e.Rounds(500) {
		client, socket := dial(t, site, siotest.Options{Transport: transport, Dial: net.dial})
		conn := e2e.Await(t, h.Accepted)
		for j := range i % 10 {
			socket.Emit("up", j, make([]byte, 1000))
			require.NoError(t, ch.Emit("down", fmt.Sprint(i, j), make([]byte, 1000)))
		}

		net.reset(t)

		if transport == "polling" { // the server does not notice the reset between two polls
			client.Engine.Drop()
		}
		e := e2e.Await(t, h.Ended)
		require.Equal(t, conn, e.Conn)
		require.Contains(t, []mojo.Reason{
			mojo.ReasonTransportClose, mojo.ReasonTransportError,
			mojo.ReasonPingTimeout, // if the client was between two polls
		}, e.Reason)
		client.Engine.Drop()
		net.restore()
	}
	e2e.WaitUntil(t, "every connection has ended", func() bool { return srv.Stats().Connections == 0 && srv.Stats().WebSockets == 0 })
	requireNoConnections(t, srv, ch)
	require.Empty(t, h.Ended)
}
