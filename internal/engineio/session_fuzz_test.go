package engineio

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/siotest"
)

// FuzzSession does steps with one session in any order: polls, POSTs,
// WebSockets that probe and upgrade, messages from both sides, ends of all
// kinds, and time that passes. Two bytes are one step. In each case every
// request is answered, no message is duplicated or out of order, no message is
// lost while the session is open, Handler.Closed is called once, and no session
// or connection remains.
func FuzzSession(f *testing.F) {
	for _, seed := range [][]step{
		{stepPoll, stepSend, stepPoll, stepPost, stepSend, stepEnd},
		{stepPoll, stepWebSocket, stepProbe, stepPoll, stepSend, stepUpgrade, stepSend, stepWrite, stepSend},
		{stepSend, stepWebSocket, stepProbe, stepUpgrade, stepWrite, stepCut},
		{stepWebSocket, stepWrite, stepWebSocket, stepProbe, stepCut, stepPoll, stepSend},
		{stepPoll, stepPoll, stepSend},
		{stepPost, stepHalfPost, stepPost, stepFinishPost},
		{stepHalfPost, stepWebSocket, stepProbe, stepUpgrade, stepFinishPost, stepWrite},
		{stepPoll, stepAbort, stepSend, stepPoll},
		{stepStall, stepPost, stepWebSocket, stepProbe, stepRelease, stepUpgrade, stepWrite},
		{stepPoll, stepWebSocket, stepProbe, stepAbort, stepUpgrade, stepSend},
		{stepWebSocket, stepProbe, stepPoll, stepUpgrade, stepSend},
		{stepTime, stepPoll, stepPong, stepTime, stepTime, stepPoll},
		{stepWebSocket, stepProbe, stepTime, stepUpgrade, stepTime},
		{stepWebSocket, stepProbe, stepUpgrade, stepBad, stepTime, stepPoll},
		{stepPost, stepLeave, stepPoll, stepPoll},
	} {
		script := make([]byte, 0, 2*len(seed))
		for i, s := range seed {
			script = append(script, byte(s), byte(i))
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			p := newFuzzRun(t)
			for i := 0; i+1 < len(script) && i < 2*maxSteps; i += 2 {
				p.do(step(script[i]%byte(steps)), int(script[i+1]))
			}
			p.end()
		})
	})
}

const maxSteps = 40

// step is a step of the fuzz test; its values are named after what they do.
type step byte

const (
	stepPoll step = iota
	stepAbort
	stepPost
	stepHalfPost
	stepFinishPost
	stepPong
	stepLeave
	stepWebSocket
	stepProbe
	stepUpgrade
	stepWrite
	stepBad
	stepCut
	stepSend
	stepStall
	stepRelease
	stepTime
	stepEnd
	steps
)

// fuzzRun is a session, and the results of the steps that were done with it.
type fuzzRun struct {
	t    *testing.T
	h    *host
	peer *peer
	sid  string
	wg   sync.WaitGroup // requests, and readers of WebSockets

	aborts     []context.CancelFunc
	halfPosts  []net.Conn // POSTs whose body is incomplete
	sockets    []net.Conn
	held       bool // the session is stalled by stepStall
	clientSent int  // the number of messages of the client

	mu       sync.Mutex // guards the fields below
	sent     []string   // by the server, without an error
	received []string   // by the client
	handled  []string   // by the handler
	accepted []string   // messages of the client in POSTs that were answered with 200
}

func newFuzzRun(t *testing.T) *fuzzRun {
	p := &fuzzRun{t: t, h: serve(t, siotest.Memory, func(o *Options) { o.MaxQueue, o.MaxInbound, o.MaxPayload = 4<<10, 1<<10, 1000 })}
	p.h.message = func(peer *peer, data []byte, _ bool) error {
		switch string(data) {
		case "stall":
			peer.Hold(2 << 10)
		case "bad":
			return codec.ErrPacket
		default:
			p.record(&p.handled, string(data))
		}
		return nil
	}
	a := p.h.do(http.MethodGet, "/?EIO=4&transport=polling", "")
	require.Equal(t, http.StatusOK, a.status)
	p.peer = p.h.next()
	p.sid = p.peer.ID()
	return p
}

// record appends a message to a list.
func (p *fuzzRun) record(list *[]string, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*list = append(*list, text)
}

// do does one step and waits until all goroutines are idle.
func (p *fuzzRun) do(s step, param int) {
	switch s {
	case stepPoll:
		p.request(http.MethodGet, "", nil)
	case stepAbort:
		p.pick(len(p.aborts), param, func(i int) { p.aborts[i]() })
	case stepPost:
		p.postSome(1 + param%3)
	case stepHalfPost:
		p.halfPost()
	case stepFinishPost:
		if !p.stalled() {
			p.pick(len(p.halfPosts), param, func(i int) { _, _ = io.WriteString(p.halfPosts[i], "\x1e6") })
		}
	case stepPong:
		p.request(http.MethodPost, "3", nil)
	case stepLeave:
		p.request(http.MethodPost, "1", nil)
	case stepWebSocket:
		p.webSocket()
	case stepProbe:
		p.write(param, text("2probe"))
	case stepUpgrade:
		p.write(param, text("5"))
	case stepWrite:
		p.clientSent++
		p.write(param, join(frame(ws.OpText, false, fmt.Sprintf("4%03d", p.clientSent)), frame(ws.OpContinuation, true, "")))
	case stepBad:
		p.sendBad(param)
	case stepCut:
		p.pick(len(p.sockets), param, func(i int) { _ = p.sockets[i].Close() })
	case stepSend:
		p.send(1 + param%5)
	case stepStall:
		if !p.held {
			p.held = true
			p.peer.Hold(2 << 10)
		}
	case stepRelease:
		if p.held {
			p.held = false
			p.peer.Release(2 << 10)
		}
	case stepTime:
		time.Sleep([]time.Duration{50 * time.Millisecond, 150 * time.Millisecond, 2 * time.Second, 11 * time.Second, 26 * time.Second, time.Minute}[param%6])
	case stepEnd:
		if param%4 == 0 {
			p.peer.Close(ForcedClose)
		}
	}
	synctest.Wait()
	p.check()
}

// pick calls fn with an index below n, which param chooses. If n is 0, it does
// nothing.
func (p *fuzzRun) pick(n, param int, fn func(i int)) {
	if n > 0 {
		fn(param % n)
	}
}

// request makes a request of the session and handles the answer.
func (p *fuzzRun) request(method, body string, messages []string) {
	ctx, abort := context.WithCancel(p.t.Context())
	p.aborts = append(p.aborts, abort)
	r, err := http.NewRequestWithContext(ctx, method, p.h.site.URL+"/?EIO=4&transport=polling&sid="+p.sid, strings.NewReader(body))
	require.NoError(p.t, err)
	p.wg.Go(func() {
		res, err := p.h.site.Client().Do(r)
		if err != nil {
			if ctx.Err() == nil {
				p.t.Errorf("%s %q was not answered: %v", method, body, err)
			}
			return
		}
		defer res.Body.Close()
		payload, err := io.ReadAll(res.Body)
		switch {
		case err != nil && ctx.Err() == nil:
			p.t.Errorf("%s %q: the answer is incomplete: %v", method, body, err)
		case res.StatusCode == http.StatusOK && method == http.MethodGet:
			for packet := range strings.SplitSeq(string(payload), "\x1e") {
				p.recordPacket(packet)
			}
		case res.StatusCode == http.StatusOK:
			for _, m := range messages {
				p.record(&p.accepted, m)
			}
		case res.StatusCode != http.StatusBadRequest:
			p.t.Errorf("%s %q: %d", method, body, res.StatusCode)
		}
	})
}

// recordPacket records a packet from the server, if it is a message.
func (p *fuzzRun) recordPacket(packet string) {
	if m, ok := strings.CutPrefix(packet, "4"); ok {
		p.record(&p.received, m)
	}
}

// postSome posts messages of the client.
func (p *fuzzRun) postSome(n int) {
	messages := make([]string, n)
	packets := make([]string, n)
	for i := range n {
		p.clientSent++
		messages[i] = fmt.Sprintf("%03d", p.clientSent)
		packets[i] = "4" + messages[i]
	}
	p.request(http.MethodPost, strings.Join(packets, "\x1e"), messages)
}

// halfPost sends the first part of a POST without messages.
func (p *fuzzRun) halfPost() {
	conn, err := p.h.site.Dial(p.t.Context())
	require.NoError(p.t, err)
	p.halfPosts = append(p.halfPosts, conn)
	_, err = fmt.Fprintf(conn, "POST /?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n6", p.sid)
	require.NoError(p.t, err)
}

// webSocket opens a WebSocket for the session, and reads it.
func (p *fuzzRun) webSocket() {
	conn, err := p.h.site.Dial(p.t.Context())
	require.NoError(p.t, err)
	_, err = fmt.Fprintf(conn, "GET /?EIO=4&transport=websocket&sid=%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", p.sid)
	require.NoError(p.t, err)
	p.sockets = append(p.sockets, conn)
	p.wg.Go(func() {
		defer conn.Close()
		head := make([]byte, len("HTTP/1.1 101"))
		if _, err := io.ReadFull(conn, head); err != nil || string(head[9:]) != "101" {
			return
		}
		for end, one := "", make([]byte, 1); !strings.HasSuffix(end, "\r\n\r\n"); end += string(one) {
			if _, err := conn.Read(one); err != nil {
				return
			}
		}
		for {
			header, err := ws.ReadHeader(conn)
			if err != nil || header.OpCode == ws.OpClose {
				return
			}
			payload := make([]byte, header.Length)
			if _, err := io.ReadFull(conn, payload); err != nil {
				return
			}
			p.recordPacket(string(payload))
		}
	})
}

// stalled reports whether the session is stalled. In a stall, the client must
// not send: another reader of the session would wait for a mutex, which does
// not count as waiting in a bubble of testing/synctest.
func (p *fuzzRun) stalled() bool {
	s := p.peer.Session
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stall.Load() != nil
}

// write writes frames to one of the WebSockets.
func (p *fuzzRun) write(param int, frames []byte) {
	if p.stalled() {
		return
	}
	p.pick(len(p.sockets), param, func(i int) { _, _ = p.sockets[i].Write(frames) })
}

// sendBad sends bytes that end a session or a probe.
func (p *fuzzRun) sendBad(param int) {
	switch param % 6 {
	case 0:
		p.request(http.MethodPost, "9", nil)
	case 1:
		p.request(http.MethodPost, "4bad", nil)
	case 2:
		p.write(param/6, text("9"))
	case 3:
		p.write(param/6, []byte{0xf1, 0})
	case 4:
		p.write(param/6, frame(ws.OpClose, true, ""))
	case 5:
		p.write(param/6, text("1"))
	}
}

// send sends n messages of the server, in one batch.
func (p *fuzzRun) send(n int) {
	var b Batch
	for range n {
		p.mu.Lock()
		next := fmt.Sprintf("%03d", len(p.sent))
		p.mu.Unlock()
		if p.peer.Queue(NewText([]byte(next)), Delivery{}, &b) == nil {
			p.record(&p.sent, next)
		}
	}
	b.Flush()
}

// check requires conditions that always hold.
func (p *fuzzRun) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	require.IsIncreasing(p.t, append([]string{""}, p.received...), "messages that the client has received")
	require.IsIncreasing(p.t, append([]string{""}, p.handled...), "messages that the handler has received")
	require.Subset(p.t, p.sent, p.received)
	s := p.peer.Session
	s.mu.Lock()
	defer s.mu.Unlock()
	require.GreaterOrEqual(p.t, s.queued, int32(0))
	require.False(p.t, s.state == sessionOpen && s.link != nil && s.poll != nil, "a poll is waiting while a WebSocket carries the session")
	if s.state == sessionOpen && s.link != nil {
		require.Equal(p.t, linkOpen, s.link.state.get())
		require.Equal(p.t, readMessages, s.link.reading)
	}
}

// end ends the run. It requires that a session that is open has lost no
// message.
func (p *fuzzRun) end() {
	p.do(stepRelease, 0)
	if p.peer.live() {
		p.do(stepSend, 0)
		if p.peer.Transport() == Polling {
			p.do(stepPoll, 0) // if a poll is already waiting, this one ends the session, but the first is answered
		}
		p.mu.Lock()
		require.Equal(p.t, p.sent, p.received)
		require.Subset(p.t, p.handled, p.accepted)
		p.mu.Unlock()
		p.peer.Session.mu.Lock()
		require.Zero(p.t, p.peer.queued)
		p.peer.Session.mu.Unlock()
	}
	p.h.Close()
	for _, conn := range append(p.halfPosts, p.sockets...) {
		_ = conn.Close()
	}
	p.wg.Wait() // in a bubble of testing/synctest, a request without an answer is a deadlock
}
