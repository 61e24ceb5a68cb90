package engineio

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/siotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(siotest.Lingering)) }

// timeout is the time that a test waits for an event.
const timeout = 10 * time.Second

// host is an Engine under test, on a network, with the sessions that it has
// opened.
type host struct {
	*Engine
	t    testing.TB
	site *siotest.Site

	// message handles a message; nil: it is echoed.
	message func(p *peer, data []byte, binary bool) error
	admits  func(r *http.Request) bool // nil: all requests are admitted
	closed  func()                     // if not nil, called by Closed

	opened chan *peer // sessions that next has not returned

	mu    sync.Mutex // guards peers
	peers []*peer
}

// peer is the Handler of one session.
type peer struct {
	*Session
	host   *host
	closed chan Reason // receives the reason from Closed
}

func (p *peer) Admits(r *http.Request) Admission {
	if p.host.admits == nil || p.host.admits(r) {
		return Admitted
	}
	return Refused
}

func (p *peer) Opened() {}

func (p *peer) Message(data []byte, binary bool) error {
	if p.host.message != nil {
		return p.host.message(p, data, binary)
	}
	if binary {
		return p.Send(NewBinary(data))
	}
	return p.Send(NewText(data))
}

func (p *peer) Lapsed() { p.Close("lapsed") }

func (p *peer) Closed(reason Reason) {
	if p.host.closed != nil {
		p.host.closed()
	}
	p.closed <- reason
}

// awaitEnd waits until Closed is called and returns the reason.
func (p *peer) awaitEnd() Reason {
	p.host.t.Helper()
	select {
	case reason := <-p.closed:
		p.closed <- reason
		return reason
	case <-time.After(2 * time.Minute): // virtual time in most tests, which wait for heartbeats
		require.FailNow(p.host.t, "the session did not end")
		return ""
	}
}

// live reports whether the session is open, so that Closed has not been called.
func (p *peer) live() bool { return len(p.closed) == 0 }

func testOptions() Options {
	return Options{
		PingInterval:   25 * time.Second,
		PingTimeout:    20 * time.Second,
		UpgradeTimeout: 10 * time.Second,
		MaxPayload:     1_000_000,
		MaxQueue:       1 << 20,
		MaxQueuedTotal: 256 << 20,
		MaxInbound:     1 << 20,
		Transports:     []Transport{Polling, WebSocket},
		Logger:         slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// newHost makes an Engine. At the end of the test it closes the Engine and
// checks that nothing remains.
func newHost(t testing.TB, change func(*Options)) *host {
	h := &host{t: t, opened: make(chan *peer, 1<<15)}
	opts := testOptions()
	opts.Open = func(s *Session, _ *http.Request) (Handler, http.Header, error) {
		p := &peer{Session: s, host: h, closed: make(chan Reason, 1)} // a second call of Closed would block
		h.mu.Lock()
		h.peers = append(h.peers, p)
		h.mu.Unlock()
		select {
		case h.opened <- p:
		default: // a send would block Options.Open for ever
			t.Error("the test has opened too many sessions without calling next")
		}
		return p, nil, nil
	}
	if change != nil {
		change(&opts)
	}
	h.Engine = New(opts)
	t.Cleanup(h.closeAndCheck)
	return h
}

// closeAndCheck closes the Engine. It requires that all sessions and
// connections end, and that each handler was called once.
func (h *host) closeAndCheck() {
	h.t.Helper()
	h.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	require.NoError(h.t, h.Shutdown(ctx), "sessions or connections have not ended")
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.peers {
		require.Len(h.t, p.closed, 1, "Closed was not called")
	}
	require.Zero(h.t, h.heartbeats.Len(), "heartbeats are still scheduled")
	waitUntil(h.t, func() bool { return h.counters.queued.Load() == 0 }) // a write that was interrupted may return later
}

// serve runs an Engine on a network until the test ends.
func serve(t testing.TB, n siotest.Network, change func(*Options)) *host {
	t.Helper()
	h := newHost(t, change)
	h.site = siotest.Serve(t, n, h)
	return h
}

// connect opens a connection and returns both ends.
func (h *host) connect(o siotest.Options) (*siotest.Engine, *peer) {
	h.t.Helper()
	o.Path = "/"
	client := siotest.Open(h.t, h.site, o)
	return client, h.next()
}

// next waits for the next session that is opened.
func (h *host) next() *peer {
	h.t.Helper()
	select {
	case p := <-h.opened:
		return p
	case <-time.After(timeout):
		require.FailNow(h.t, "no session was opened")
		return nil
	}
}

// counts returns the numbers of sessions and links.
func (h *host) counts() (sessions, links int) {
	h.Engine.mu.RLock()
	defer h.Engine.mu.RUnlock()
	return len(h.sessions), len(h.links)
}

// waitUntil polls until a condition holds, for conditions without an event to
// wait for. Unlike require.Eventually it starts no goroutine, because some
// tests count goroutines.
func waitUntil(t testing.TB, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(timeout); !condition(); <-tick.C {
		require.True(t, time.Now().Before(deadline), "the condition does not hold in time")
	}
}

// answer is the answer of an HTTP server.
type answer struct {
	status int
	header http.Header
	body   string
}

// do makes one request to the site and returns the answer.
func (h *host) do(method, target, body string, header ...string) answer {
	h.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, h.site.URL+target, r)
	require.NoError(h.t, err)
	for pair := range slices.Chunk(header, 2) {
		if pair[0] == "Host" {
			req.Host = pair[1]
			continue
		}
		req.Header.Add(pair[0], pair[1])
	}
	res, err := h.site.Client().Do(req)
	require.NoError(h.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(h.t, err)
	return answer{res.StatusCode, res.Header, string(text)}
}

// requireError requires an HTTP error in the form of the protocol.
func requireError(t testing.TB, a answer, status int, code errorCode) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Contains(t, a.header.Values("Vary"), "Origin")
	var body struct {
		Code    *errorCode `json:"code"`
		Message *string    `json:"message"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &body), a.body)
	require.NotNil(t, body.Code)
	require.NotNil(t, body.Message)
	require.Equal(t, code, *body.Code, a.body)
	require.NotEmpty(t, *body.Message)
}

// upgradeHeaders are the names and values of the headers of a WebSocket
// handshake.
var upgradeHeaders = []string{
	"Connection", "Upgrade", "Upgrade", "websocket",
	"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
}

// requireEcho requires that the connection works in both directions.
func requireEcho(t testing.TB, client *siotest.Engine) {
	t.Helper()
	client.Send("echo")
	require.Equal(t, "echo", client.Next().Text)
}

// openBare opens a session without a client.
func (h *host) openBare(t testing.TB) *Session {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	require.NoError(t, err)
	s, _, err := h.open(r, Polling, codec.Revision4)
	require.NoError(t, err)
	h.next()
	s.mu.Lock()
	dropped := s.dropQueueLocked()
	s.mu.Unlock()
	h.account(-dropped)
	return s
}

// awaitPoll waits until a poll of the session is waiting.
func (h *host) awaitPoll(p *peer) { h.await(p, func() bool { return p.poll != nil }) }

// awaitStall waits until the session is stalled.
func (h *host) awaitStall(p *peer) { h.await(p, func() bool { return p.stall.Load() != nil }) }

// await waits until a condition holds. It checks the condition with the lock of
// the session held.
func (h *host) await(p *peer, condition func() bool) {
	h.t.Helper()
	waitUntil(h.t, func() bool {
		p.Session.mu.Lock()
		defer p.Session.mu.Unlock()
		return condition()
	})
}
