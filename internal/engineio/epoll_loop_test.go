//go:build linux && !mojo_noepoll

package engineio

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// stalling echoes messages. The message "stall" begins a stall.
func stalling(p *peer, data []byte, _ bool) error {
	if string(data) == "stall" {
		p.Hold(20)
	}
	return p.Send(NewText(data))
}

func serveStalling(t *testing.T) *host {
	h := serve(t, siotest.TCP, func(o *Options) { o.MaxInbound = 10 })
	h.message = stalling
	return h
}

// stalledClients returns the number of clients that are stalled.
func (h *host) stalledClients() int {
	n := 0
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.peers {
		p.Session.mu.Lock()
		if p.stall.Load() != nil {
			n++
		}
		p.Session.mu.Unlock()
	}
	return n
}

// TestStalledClientsLeaveTheirEventLoop: clients whose handlers are behind do
// not delay the other clients of their event loop. After the stall, their next
// message is handled.
func TestStalledClientsLeaveTheirEventLoop(t *testing.T) {
	h := serveStalling(t)
	var clients []*siotest.Engine
	var peers []*peer
	for range 4 * len(h.loops.shards) {
		client, p := h.connect(siotest.Options{Transport: "websocket"})
		clients, peers = append(clients, client), append(peers, p)
	}
	half := len(clients) / 2 // two of each loop
	for _, c := range clients[:half] {
		c.SendPackets("4stall", "4behind")
		require.Equal(t, "stall", c.Next().Text)
	}
	waitUntil(t, func() bool { return h.stalledClients() == half })
	for range 3 {
		for _, c := range clients[half:] {
			requireEcho(t, c)
		}
	}
	for i, p := range peers[:half] {
		p.Release(20)
		require.Equal(t, "behind", clients[i].Next().Text)
		requireEcho(t, clients[i])
	}
}

// TestStalledClientsCanBeClosed: a stalled client can be closed, and so can the
// engine.
func TestStalledClientsCanBeClosed(t *testing.T) {
	for name, end := range map[string]func(p *peer){
		"Close":        func(p *peer) { p.Close(ForcedClose) },
		"Close, later": func(p *peer) { p.Close(ForcedClose); p.Release(20) },
		"overflow":     func(p *peer) { _ = p.Send(NewText(make([]byte, 2*p.host.opts.MaxQueue))) },
		"engine":       func(p *peer) { p.host.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			h := serveStalling(t)
			client, p := h.connect(siotest.Options{Transport: "websocket"})
			client.Send("stall")
			require.Equal(t, "stall", client.Next().Text)
			waitUntil(t, func() bool { return h.stalledClients() == 1 })
			end(p)
			p.awaitEnd()
			client.AwaitClosed()
		})
	}
}

// TestProbeDuringAPostLeavesItsEventLoop: a packet on a WebSocket waits for a
// POST of the same session, and does not delay other connections.
func TestProbeDuringAPostLeavesItsEventLoop(t *testing.T) {
	h := serveStalling(t)
	var others []*siotest.Engine
	for range h.loops.shards { // one of each loop
		other, _ := h.connect(siotest.Options{Transport: "websocket"})
		others = append(others, other)
	}
	client, p := h.connect(siotest.Options{})
	client.Send("stall")
	require.Equal(t, "stall", client.Next().Text)
	waitUntil(t, func() bool { return h.stalledClients() == 1 })
	conn := h.rawProbe(t, client, "2probe")
	defer conn.Close()
	waitUntil(t, func() bool { return goroutinesIn("(*loopTurn).handle") == 1 })
	for _, other := range others {
		requireEcho(t, other)
	}
	p.Release(20)
	waitUntil(t, func() bool { return goroutinesIn("(*loopTurn).handle") == 0 })
	requireEcho(t, client)
}

// TestLargeMessageLeavesItsEventLoop: a message that takes long to handle does
// not delay the other connections of its event loop.
func TestLargeMessageLeavesItsEventLoop(t *testing.T) {
	h := serve(t, siotest.TCP, nil)
	handling, handled := make(chan struct{}), make(chan struct{})
	h.message = func(p *peer, data []byte, _ bool) error {
		if len(data) > largeMessage {
			handling <- struct{}{}
			<-handled
		}
		return p.Send(NewText(data[:1]))
	}
	var clients []*siotest.Engine
	for range 2 * len(h.loops.shards) { // two of each loop
		client, _ := h.connect(siotest.Options{Transport: "websocket"})
		clients = append(clients, client)
	}
	clients[0].Send(strings.Repeat("a", 2*largeMessage))
	<-handling
	for _, c := range clients[1:] {
		c.Send("b")
		require.Equal(t, "b", c.Next().Text)
	}
	handled <- struct{}{}
	require.Equal(t, "a", clients[0].Next().Text)
	clients[0].Send("c")
	require.Equal(t, "c", clients[0].Next().Text)
}

// TestEventLoopsEndWithTheirConnections: an event loop ends when its
// connections have ended, in whichever way they end.
func TestEventLoopsEndWithTheirConnections(t *testing.T) {
	h := serve(t, siotest.TCP, nil)
	first, _ := h.rawWebSocket(t)
	first.Close()
	waitUntil(t, func() bool { return !serving() && goroutinesIn("(*watchSet).work") == 0 })
	files := descriptors(t)
	for _, end := range []func(net.Conn, *peer){
		func(conn net.Conn, _ *peer) { conn.Close() },
		func(_ net.Conn, p *peer) { p.link.kill() },
		func(_ net.Conn, p *peer) { p.Close(ForcedClose) },
	} {
		conns := make(map[net.Conn]*peer)
		for range 4 * len(h.loops.shards) {
			conn, p := h.rawWebSocket(t)
			conns[conn] = p
		}
		waitUntil(t, func() bool { return goroutinesIn("(*watchSet).work") == len(h.loops.shards) })
		for conn, p := range conns {
			end(conn, p)
		}
		waitUntil(t, func() bool { return goroutinesIn("(*watchSet).work") == 0 })
		for conn := range conns {
			conn.Close()
		}
		waitUntil(t, func() bool { return descriptors(t) <= files })
	}
}

// TestNoFreeDescriptorForAnEventLoop: a connection is read by a goroutine if
// there is no file descriptor for an event loop or for the connection.
func TestNoFreeDescriptorForAnEventLoop(t *testing.T) {
	for name, more := range map[string]uint64{"no free descriptor": 0, "one free descriptor": 1} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, nil)
			var limits syscall.Rlimit
			require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limits))
			h.site = siotest.Serve(t, siotest.TCP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				free, err := syscall.Open(os.DevNull, syscall.O_CLOEXEC, 0)
				assert.NoError(t, err)
				assert.NoError(t, syscall.Close(free))
				limit := uint64(free) + more
				assert.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limits.Max}))
				defer func() { assert.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limits)) }()
				h.ServeHTTP(w, r)
			}))
			files := descriptors(t)
			client, _ := h.connect(siotest.Options{Transport: "websocket"})
			requireEcho(t, client)
			require.Equal(t, 1, goroutinesIn("(*link).readStream"))
			require.Zero(t, goroutinesIn("(*watchSet).work"))
			require.Equal(t, files+2, descriptors(t)) // both ends
		})
	}
}

// descriptors returns the number of open descriptors of the process.
func descriptors(t *testing.T) int {
	open, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(open)
}

// TestFlooderIsHandledInPortions: bytes of a client that sends much are handled
// in portions. A client of the same event loop that sends one message is served
// after the first portion.
func TestFlooderIsHandledInPortions(t *testing.T) {
	const messages = 2300 // nearly as many as fit into a read buffer
	var victim func()
	var flood, before, victims atomic.Int64
	read, done := make(chan struct{}), make(chan struct{})
	h := serve(t, siotest.TCP, nil)
	h.message = func(_ *peer, data []byte, _ bool) error {
		switch {
		case string(data) == "first":
			close(read)
			return nil
		case string(data) == "victim":
			victims.Add(1)
			before.Store(flood.Load())
		case flood.Add(1) == 1:
			victim()
		}
		if flood.Load()+victims.Load() == messages+1 {
			close(done)
		}
		return nil
	}
	flooder, p := h.rawWebSocket(t)
	other, q := h.rawWebSocket(t)
	for q.link.watched.set != p.link.watched.set {
		other, q = h.rawWebSocket(t)
	}
	_, err := other.Write(text("4first"))
	require.NoError(t, err)
	<-read // the event loop reads it
	victim = func() {
		_, err := other.Write(text("4victim"))
		assert.NoError(t, err)
		for { // until the message has arrived
			n, _, _ := syscall.Recvfrom(q.link.fd, make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			if n == 1 {
				return
			}
			runtime.Gosched()
		}
	}

	_, err = flooder.Write(bytes.Repeat(text("4"), messages))
	require.NoError(t, err)
	<-done

	require.LessOrEqual(t, before.Load(), int64(portionFrames), "of %d", messages)
}

// TestClientThatFillsTheBufferIsPostponed: a client that fills the buffer of a
// read is postponed, like one that sends many messages.
func TestClientThatFillsTheBufferIsPostponed(t *testing.T) {
	const messages, size = 40, 10 << 10
	h := serve(t, siotest.TCP, nil)
	turns := make(chan bool, messages)
	h.message = func(p *peer, _ []byte, _ bool) error {
		turns <- p.turn.servesPostponed
		return nil
	}
	sender, _ := h.rawWebSocket(t)

	_, err := sender.Write(bytes.Repeat(text("4"+strings.Repeat("x", size)), messages))
	require.NoError(t, err)

	postponed := 0
	for range messages {
		if <-turns {
			postponed++
		}
	}
	require.Positive(t, postponed)
}
