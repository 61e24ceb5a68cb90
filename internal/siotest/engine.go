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
	Transport string      // "polling" (default; stays), "websocket", or "upgrade": polling, upgraded before Open returns
	Header    http.Header // sent with each request (cookies, origin; Host too)
	Query     url.Values  // added to each URL; replaces EIO, transport and sid if it has them; b64=1 sends binary as text
	HTTP2     bool        // polls go over HTTP/2; network TLS only

	// Dial opens the connections in place of the site's own address: through a proxy, or from another address of
	// this machine. With TLS it is agreed on them. ReadBuffer is its business then.
	Dial func(ctx context.Context) (net.Conn, error)

	// Page returns the cookies that the browser has. With it the client proves who it is when asked to, as a page with
	// mojo.js does, and goes on with these cookies.
	Page func() http.Header

	// Jar has the cookies of the browser: they are sent with each request, beside those in Header, and kept from
	// each answer. With Follow the client proves who it is as with Page, by these cookies.
	Jar    http.CookieJar
	Follow bool

	// T is failed, in place of the test of the Site, by a connection of TryOpen or TryDial.
	T testing.TB

	NoPong     bool     // do not answer pings
	ManualPoll bool     // do not poll on its own: see Engine.Poll
	Early      []string // raw packets that leave together with the request for a WebSocket, before its answer
	ReadBuffer int      // bytes that the server can send ahead of our reading (a hint on TCP, where 32 KiB is the least); 0: as the network has it
}

// Handshake is what the server's open packet says.
type Handshake struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"` // milliseconds
	PingTimeout  int      `json:"pingTimeout"`  // milliseconds
	MaxPayload   int      `json:"maxPayload"`   // bytes
}

// Engine is an Engine.IO connection. It reads in the background into a queue without a bound, answers pings
// and sends in the background. It never gives up by itself when pings fail to come.
//
// Methods that send may be called from several goroutines. Methods that wait, or
// that can fail the test, may only be called from the test's goroutine.
type Engine struct {
	Handshake Handshake
	Response  http.Header // of the answer to the handshake

	t      testing.TB
	site   *Site
	opts   Options
	header atomic.Pointer[http.Header] // of the requests to come
	dialer dialer
	http   *http.Client

	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	wg     sync.WaitGroup // background goroutines

	in    mailbox[Packet]   // messages
	pings mailbox[struct{}] // one for each ping
	out   mailbox[outgoing]

	writing  chan struct{}          // held by who writes to the transport or replaces it; a mutex would stop a bubble's clock
	ws       atomic.Pointer[wsConn] // nil while polling; stored while writing is held
	stopPoll chan struct{}          // closed when the poll in progress is to be the last
	stopOnce sync.Once              // closes stopPoll
	polled   chan struct{}          // closed when the background polls have ended

	closed  chan struct{}
	once    sync.Once
	closing atomic.Bool // Close was called
	reason  string      // set before closed is closed
	err     error       // set before closed is closed
}

// HTTPError is an answer with a status that was not expected.
type HTTPError struct {
	Status int
	Body   string
	Header http.Header
}

func (e *HTTPError) Error() string {
	return fmt.Sprintf("HTTP status %d: %s", e.Status, e.Body)
}

// Open connects and fails the test if that does not succeed. The connection is cut when the test ends.
func Open(t testing.TB, s *Site, o Options) *Engine {
	t.Helper()
	ctx, cancel := s.WithLimit(context.Background())
	defer cancel()
	e, err := tryOpen(ctx, t, s, o)
	if err != nil {
		t.Fatalf("cannot open a connection by %q: %v", o.Transport, err)
	}
	t.Cleanup(e.shut)
	return e
}

// TryOpen is Open with the error, an *HTTPError if the server refused. The context bounds the opening only;
// the connection is cut when the test of the site ends.
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
	s.adopt(e)

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
		e.shut()
		return nil, err
	}
	return e, nil
}

// opened reads the open packet.
func (e *Engine) opened(packet string) error {
	if packet == "" || packet[0] != '0' {
		return fmt.Errorf("an open packet was expected, not %q", packet)
	}
	if err := json.Unmarshal([]byte(packet[1:]), &e.Handshake); err != nil {
		return fmt.Errorf("open packet %q: %w", packet, err)
	}
	if e.Handshake.SID == "" {
		return fmt.Errorf("open packet %q has no sid", packet)
	}
	return nil
}

// URL is the address of this connection, with its sid, for requests of the test's own.
func (e *Engine) URL(transport string) string {
	q := url.Values{"EIO": {"4"}, "transport": {transport}}
	if e.Handshake.SID != "" {
		q.Set("sid", e.Handshake.SID)
	}
	for k, v := range e.opts.Query {
		q[k] = v
	}
	return e.site.URL + e.opts.Path + "?" + q.Encode()
}

// Transport is "polling" or "websocket", as of now.
func (e *Engine) Transport() string {
	if e.ws.Load() != nil {
		return "websocket"
	}
	return "polling"
}

// receive takes a packet in. It reports whether the connection goes on.
func (e *Engine) receive(p Packet) bool {
	switch {
	case p.Binary:
		e.in.put(p)
	case p.Type == packetMessage:
		e.in.put(p)
	case p.Type == packetPing:
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

// Next returns the next message; pings are answered and skipped. It fails the test after Site.Limit, or when
// the connection ends first.
func (e *Engine) Next() Packet {
	e.t.Helper()
	p, err := waitFor(&e.in, e.site.Limit)
	if err != nil {
		e.t.Fatalf("no message came: %v%s", err, e.obituary())
	}
	return p
}

// NextOrEnd is Next with false if the connection has ended and all that came before was read.
func (e *Engine) NextOrEnd() (Packet, bool) {
	e.t.Helper()
	p, err := waitFor(&e.in, e.site.Limit)
	if err != nil && e.CloseReason() == "" {
		e.t.Fatalf("neither a message nor the end came: %v", err)
	}
	return p, err == nil
}

// Waiting is the number of messages that have arrived and were not read by Next.
func (e *Engine) Waiting() int { return e.in.len() }

// NextPing waits for a ping, as long as the handshake's pingInterval and Site.Limit. Each ping counts once,
// whether or not it was answered.
func (e *Engine) NextPing() {
	e.t.Helper()
	if _, err := waitFor(&e.pings, e.pollLimit()); err != nil {
		e.t.Fatalf("no ping came: %v%s", err, e.obituary())
	}
}

// pollLimit is Site.Limit for what may take until the next ping.
func (e *Engine) pollLimit() time.Duration {
	return time.Duration(e.Handshake.PingInterval)*time.Millisecond + e.site.Limit
}

// Pings is the number of pings that have arrived and were not waited for by NextPing.
func (e *Engine) Pings() int { return e.pings.len() }

func waitFor[T any](m *mailbox[T], limit time.Duration) (T, error) {
	ctx, cancel := withLimit(context.Background(), limit)
	defer cancel()
	return m.get(ctx)
}

// Pause stops reading from the sockets, as a client that hangs does: what the server sends stays in the
// buffers below (see Options.ReadBuffer), answers to POSTs too. Sending goes on.
func (e *Engine) Pause() { e.dialer.pauseReads() }

// Resume undoes Pause.
func (e *Engine) Resume() { e.dialer.resumeReads() }

// Why a connection ended.
const (
	ReasonClosePacket = "close packet"    // the server sent packet 1
	ReasonCloseFrame  = "close frame"     // the server sent a Close frame: Err is a *CloseError
	ReasonLost        = "connection lost" // the connection broke or ended without a word
	ReasonError       = "error"           // Err says which: *HTTPError for a refused poll or POST, or the server broke the protocol
	ReasonClientClose = "client close"    // Close
	ReasonClientDrop  = "client drop"     // Drop, or the end of the test
)

// Closed is closed when the connection has ended, for whatever reason. Messages that came before can still
// be read.
func (e *Engine) Closed() <-chan struct{} { return e.closed }

// AwaitClosed waits for the end of the connection and returns the reason. It fails the test after Site.Limit.
func (e *Engine) AwaitClosed() string {
	e.t.Helper()
	ctx, cancel := e.site.WithLimit(context.Background())
	defer cancel()
	select {
	case <-e.closed:
	case <-ctx.Done():
		e.t.Fatalf("the connection did not end")
	}
	return e.reason
}

// CloseReason is one of the Reason constants, "" while the connection is up.
func (e *Engine) CloseReason() string {
	select {
	case <-e.closed:
		return e.reason
	default:
		return ""
	}
}

// Err is the error behind CloseReason, or nil.
func (e *Engine) Err() error {
	select {
	case <-e.closed:
		return e.err
	default:
		return nil
	}
}

func (e *Engine) obituary() string {
	reason := e.CloseReason()
	if reason == "" {
		return ""
	}
	return fmt.Sprintf(" (the connection ended: %s, error: %v)", reason, e.err)
}

// Close ends the connection in order: packet 1 on polling, or a Close frame, then waiting for the server's.
// What was sent before leaves before it.
func (e *Engine) Close() {
	e.closing.Store(true)
	ctx, cancel := e.site.WithLimit(context.Background())
	defer cancel()
	if e.ws.Load() == nil {
		e.out.put(outgoing{text: "1"})
		e.flush(ctx)
	} else {
		e.out.put(outgoing{control: closeFrame(1000, "")})
		if e.flush(ctx) == nil && e.dialer.paused() == nil {
			select {
			case <-e.closed:
			case <-ctx.Done():
			}
		}
	}
	e.finish(ReasonClientClose, nil)
	e.wg.Wait()
}

// Drop cuts the connections of this Engine without a word.
func (e *Engine) Drop() { e.shut() }

func (e *Engine) shut() {
	e.finish(ReasonClientDrop, nil)
	e.wg.Wait()
	e.site.forget(e)
}

// finish ends the connection, once, and lets every goroutine of it end.
func (e *Engine) finish(reason string, err error) {
	e.once.Do(func() {
		var broken *protocolError
		if e.closing.Load() && !errors.As(err, &broken) {
			reason, err = ReasonClientClose, nil // also if the server forgot the session before our last poll
		}
		e.reason, e.err = reason, err
		e.in.close()
		e.pings.close()
		e.out.close()
		e.cancel()
		e.dialer.cut()
		e.http.CloseIdleConnections()
		close(e.closed)
	})
}

// lost ends the connection after an error of reading or writing.
func (e *Engine) lost(err error) {
	var status *HTTPError
	var broken *protocolError
	switch {
	case errors.As(err, &status), errors.As(err, &broken):
		e.finish(ReasonError, err)
	default:
		e.finish(ReasonLost, err)
	}
}

// protocolError is the server's breach of a protocol.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return "" + e.text }

func violation(format string, args ...any) error {
	return &protocolError{fmt.Sprintf(format, args...)}
}
