package siotest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Options says how an Engine connects. The zero value polls "/socket.io/".
type Options struct {
	Path      string      // default "/socket.io/"
	Transport string      // "polling" (the default), "websocket", or "upgrade": Open returns after the upgrade
	Header    http.Header // sent with each request; may contain Host
	Query     url.Values  // added to each URL; may replace EIO, transport and sid; with b64=1 binary is sent as text
	HTTP2     bool        // polls use HTTP/2; needs the network TLS

	// EIO3 makes the client one of Engine.IO revision 3 and Socket.IO revision
	// 4. Then the server connects the root namespace, auth is a
	// map[string]string and becomes a query, and a Socket has no SID.
	EIO3 bool

	// Dial opens the connections, for instance through a proxy. If it is nil,
	// they go to the site. The client negotiates TLS on them if the site has
	// it. With Dial, ReadBuffer has no effect.
	Dial func(ctx context.Context) (net.Conn, error)

	// Page returns the current cookies of the browser. If it is set, the client
	// answers the server's request for a proof after a login, as a page with
	// mojo.js does, and sends these cookies with all later requests.
	Page func() http.Header

	// Jar has the cookies of the browser. Each request sends them and those in
	// Header, and each answer may set them. If Follow is set, the client sends
	// the proof after a login as with Page, but with the cookies of Jar.
	Jar    http.CookieJar
	Follow bool

	// T is the test that a failure of the connection fails, for TryOpen and
	// TryDial. If it is nil, the test of the Site fails.
	T testing.TB

	NoPong     bool     // do not answer pings; with EIO3: do not send them
	ManualPoll bool     // do not poll until the test calls Engine.Poll
	Early      []string // raw packets that are sent together with the request for a WebSocket
	ReadBuffer int      // bytes that the server can send before the client reads (a hint on TCP, at least 32 KiB); 0: the default of the network
}

// Handshake is the content of the server's open packet.
type Handshake struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"` // milliseconds
	PingTimeout  int      `json:"pingTimeout"`  // milliseconds
	MaxPayload   int      `json:"maxPayload"`   // bytes
}

// Engine is an Engine.IO connection. In the background it reads into a queue
// without a limit, answers pings and sends. It does not close when no ping
// arrives.
//
// The methods that send are safe for concurrent use. Call the others in the
// test's goroutine.
type Engine struct {
	Handshake Handshake
	Response  http.Header // the headers of the handshake's answer

	t      testing.TB
	site   *Site
	opts   Options
	header atomic.Pointer[http.Header] // sent with later requests
	dialer dialer
	http   *http.Client

	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	wg     sync.WaitGroup // background goroutines

	in    mailbox[Packet]   // messages
	pings mailbox[struct{}] // one for each ping; with EIO3: one for each pong
	out   mailbox[outgoing]

	writing  chan struct{}          // a lock: full while a goroutine writes to the transport or replaces it; a mutex would stop the clock of a bubble
	ws       atomic.Pointer[wsConn] // nil while polling; stored while writing is full
	stopPoll chan struct{}          // closed to make the poll in progress the last one
	stopOnce sync.Once              // closes stopPoll
	polled   chan struct{}          // closed when the background polls have ended

	closed  chan struct{}
	once    sync.Once
	closing atomic.Bool // Close was called
	reason  string      // set before closed is closed
	err     error       // set before closed is closed
}

// HTTPError is an HTTP response with an unexpected status.
type HTTPError struct {
	Status int
	Body   string
	Header http.Header
}

func (e *HTTPError) Error() string {
	return fmt.Sprintf("HTTP status %d: %s", e.Status, e.Body)
}

// Open opens a connection. It fails the test if it cannot. The end of the test
// cuts the connection.
func Open(t testing.TB, s *Site, o Options) *Engine {
	t.Helper()
	ctx, cancel := s.WithLimit(context.Background())
	defer cancel()
	e, err := tryOpen(ctx, t, s, o)
	if err != nil {
		t.Fatalf("cannot open a connection by %q: %v", o.Transport, err)
	}
	t.Cleanup(e.Drop)
	return e
}

// TryOpen is Open, but returns an error instead of failing the test: an
// *HTTPError if the server refuses. The context limits the opening alone. The
// end of the Site's test cuts the connection.
func TryOpen(ctx context.Context, s *Site, o Options) (*Engine, error) {
	t := s.t
	if o.T != nil {
		t = o.T
	}
	return tryOpen(ctx, t, s, o)
}

func tryOpen(ctx context.Context, t testing.TB, s *Site, o Options) (*Engine, error) {
	if o.Path == "" {
		o.Path = "/socket.io/"
	}
	e := &Engine{
		t: t, site: s, opts: o,
		dialer:   dialer{site: s, readBuffer: o.ReadBuffer, connect: o.Dial},
		writing:  make(chan struct{}, 1),
		stopPoll: make(chan struct{}),
		polled:   make(chan struct{}),
		closed:   make(chan struct{}),
	}
	e.SetHeader(o.Header)
	e.http = e.dialer.httpClient(o.HTTP2)
	e.http.Jar = o.Jar
	e.ctx, e.cancel = context.WithCancel(context.Background())
	s.track(e)

	var err error
	switch o.Transport {
	case "", "polling":
		err = e.openPolling(ctx)
	case "upgrade":
		if err = e.openPolling(ctx); err == nil {
			err = e.upgrade(ctx)
		}
	case "websocket":
		err = e.openWebSocket(ctx)
	default:
		err = fmt.Errorf("no transport is called %q", o.Transport)
	}
	if err != nil {
		e.Drop()
		return nil, err
	}
	e.startPings()
	return e, nil
}

// readOpenPacket decodes the first packet, the open packet, into e.Handshake.
func (e *Engine) readOpenPacket(packets []Packet) error {
	if len(packets) == 0 || packets[0].Type != packetOpen {
		return fmt.Errorf("an open packet was expected, not %v", packets)
	}
	text := packets[0].Text
	if err := json.Unmarshal([]byte(text), &e.Handshake); err != nil {
		return fmt.Errorf("open packet %q: %w", text, err)
	}
	if e.Handshake.SID == "" {
		return fmt.Errorf("open packet %q has no sid", text)
	}
	return nil
}

// URL returns the URL of this connection, with its sid, for requests that the
// test sends.
func (e *Engine) URL(transport string) string {
	q := url.Values{"EIO": {"4"}, "transport": {transport}}
	if e.opts.EIO3 {
		q.Set("EIO", "3")
	}
	if e.Handshake.SID != "" {
		q.Set("sid", e.Handshake.SID)
	}
	for k, v := range e.opts.Query {
		q[k] = v
	}
	return e.site.URL + e.opts.Path + "?" + q.Encode()
}

// Transport returns the current transport, "polling" or "websocket".
func (e *Engine) Transport() string {
	if e.ws.Load() != nil {
		return "websocket"
	}
	return "polling"
}

// receive handles a packet. It reports whether the connection continues.
func (e *Engine) receive(p Packet) bool {
	switch {
	case p.Binary:
		e.in.put(p)
	case p.Type == packetMessage:
		e.in.put(p)
	case p.Type == packetPong && e.opts.EIO3:
		e.pings.put(struct{}{})
	case p.Type == packetPing && !e.opts.EIO3:
		e.pings.put(struct{}{})
		if !e.opts.NoPong {
			e.out.put(outgoing{text: "3" + p.Text})
		}
	case p.Type == packetNoop:
	case p.Type == packetClose:
		e.finish(ReasonClosePacket, nil)
		return false
	default:
		e.finish(ReasonError, fmt.Errorf("packet %c%s was not expected", p.Type, p.Text))
		return false
	}
	return true
}

// Next waits for the next message and returns it. It fails the test after
// Site.Limit, or if the connection ends first.
func (e *Engine) Next() Packet {
	e.t.Helper()
	p, err := waitFor(&e.in, e.site.Limit)
	if err != nil {
		e.t.Fatalf("no message came: %v%s", err, e.endText())
	}
	return p
}

// NextOrEnd is Next, but returns false if the connection has ended and no
// message is unread.
func (e *Engine) NextOrEnd() (Packet, bool) {
	e.t.Helper()
	p, err := waitFor(&e.in, e.site.Limit)
	if err != nil && !errors.Is(err, errMailboxClosed) {
		e.t.Fatalf("no message came and the connection did not end: %v", err)
	}
	return p, err == nil
}

// Unread returns the number of messages that have arrived and that the test has
// not read.
func (e *Engine) Unread() int { return e.in.len() }

// NextPing waits for the next ping or, with EIO3, for the next pong. It fails the test if none comes within the
// handshake's pingInterval plus Site.Limit.
func (e *Engine) NextPing() {
	e.t.Helper()
	if _, err := waitFor(&e.pings, e.pollLimit()); err != nil {
		e.t.Fatalf("no ping came: %v%s", err, e.endText())
	}
}

// pollLimit returns the time limit for an answer that the server may send only
// with the next ping.
func (e *Engine) pollLimit() time.Duration {
	return time.Duration(e.Handshake.PingInterval)*time.Millisecond + e.site.Limit
}

// Pings returns the number of pings that have arrived and that NextPing has not
// waited for.
func (e *Engine) Pings() int { return e.pings.len() }

func waitFor[T any](m *mailbox[T], limit time.Duration) (T, error) {
	ctx, cancel := withLimit(context.Background(), limit)
	defer cancel()
	return m.get(ctx)
}
