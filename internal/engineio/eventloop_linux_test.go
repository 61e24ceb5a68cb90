//go:build linux && !mojo_noepoll

package engineio

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// stalling has an echo stop for who says "stall".
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

// aside is how many clients have a goroutine to themselves.
func (h *host) aside() int {
	n := 0
	for _, p := range h.peers {
		p.Session.mu.Lock()
		if p.resume != nil {
			n++
		}
		p.Session.mu.Unlock()
	}
	return n
}

// Clients whose handlers are behind keep nobody else on their event loop waiting,
// however many they are, and go on where they were.
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
	waitUntil(t, func() bool { return h.aside() == half })
	for range 3 {
		for _, c := range clients[half:] {
			echoes(t, c)
		}
	}
	for i, p := range peers[:half] {
		p.Release(20)
		require.Equal(t, "behind", clients[i].Next().Text)
		echoes(t, clients[i])
	}
}

// A client that is stalled can be closed, and so can the engine; nothing of it stays.
func TestEndOfStalledClients(t *testing.T) {
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
			waitUntil(t, func() bool { return h.aside() == 1 })
			end(p)
			p.ended()
			client.AwaitClosed()
		})
	}
}

// What comes on a WebSocket while a POST of before is still being handled waits for
// it, and nobody else waits.
func TestProbeBesideAPostLeavesItsEventLoop(t *testing.T) {
	h := serveStalling(t)
	other, _ := h.connect(siotest.Options{Transport: "websocket"})
	client, p := h.connect(siotest.Options{})
	client.Send("stall")
	require.Equal(t, "stall", client.Next().Text)
	waitUntil(t, func() bool { return h.aside() == 1 })
	for range len(h.loops.shards) { // one for each loop
		conn := h.rawProbe(t, client, "2probe")
		defer conn.Close()
	}
	waitUntil(t, func() bool { return goroutinesIn("(*loopTurn).feed") == len(h.loops.shards) })
	echoes(t, other)
	p.Release(20)
	waitUntil(t, func() bool { return goroutinesIn("(*loopTurn).feed") == 0 })
	echoes(t, client)
	echoes(t, other)
}

// A client that does not answer a Close frame is cut off after a moment.
func TestClientThatDoesNotAnswerTheCloseFrame(t *testing.T) {
	h := serve(t, siotest.TCP, nil)
	conn, p := h.rawWebSocket(t)
	begun := time.Now()
	p.Close(ForcedClose)
	require.Equal(t, ForcedClose, p.ended())
	waitUntil(t, func() bool { _, links := h.counts(); return links == 0 })
	require.GreaterOrEqual(t, time.Since(begun), closeLinger)
	runtime.KeepAlive(conn)
}

// Event loops are there while connections are, whichever way these end.
func TestEventLoopsEnd(t *testing.T) {
	h := serve(t, siotest.TCP, nil)
	first, _ := h.rawWebSocket(t)
	first.Close()
	waitUntil(t, func() bool { return !serving() && goroutinesIn("(*watchSet).work") == 0 })
	files := descriptors(t)
	for _, end := range []func(net.Conn, *peer){
		func(conn net.Conn, _ *peer) { conn.Close() },
		func(_ net.Conn, p *peer) { p.link.cut() },
		func(_ net.Conn, p *peer) { p.Close(ForcedClose) },
	} {
		conns := make(map[net.Conn]*peer)
		for range 10 {
			conn, p := h.rawWebSocket(t)
			conns[conn] = p
		}
		require.Equal(t, len(h.loops.shards), goroutinesIn("(*watchSet).work"))
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

// Without a file descriptor for an event loop, connections are read all the same.
func TestNoDescriptorForAnEventLoop(t *testing.T) {
	h := newHost(t, nil)
	var limits syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limits))
	h.site = siotest.Serve(t, siotest.TCP, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: limits.Max}))
		defer func() { assert.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limits)) }()
		h.ServeHTTP(w, r)
	}))
	client, _ := h.connect(siotest.Options{Transport: "websocket"})
	echoes(t, client)
	require.Equal(t, 1, goroutinesIn("(*link).readRaw"))
	require.Zero(t, goroutinesIn("(*watchSet).work"))
}

// goroutinesIn counts the goroutines that have a call of a function on their stack.
func goroutinesIn(function string) int {
	stacks := make([]byte, 1<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte(function+"("))
}

func descriptors(t *testing.T) int {
	open, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(open)
}
