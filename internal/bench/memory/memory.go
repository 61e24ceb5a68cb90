// Package memory has clients whose connections are in memory. There can be more
// of them than a process may have sockets.
package memory

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo"
)

// SessionID returns the session id of client n.
func SessionID(n int) string { return "session-of-the-browser-" + strconv.Itoa(n) }

// UserID returns the id of user n.
func UserID(n int) string { return "user-" + strconv.Itoa(n) }

// Identify returns the identity that a client of a Crowd names in its headers.
// It verifies nothing, so that no time for cookies is measured.
func Identify(r *http.Request) (mojo.Identity, error) {
	return mojo.Identity{SessionID: r.Header.Get("X-Session"), UserID: r.Header.Get("X-User")}, nil
}

// Crowd is clients in memory. New makes all of them, so that a measurement that
// begins later does not include their memory. Its methods are safe for
// concurrent use.
type Crowd struct {
	conns []memoryConn
	wake  []chan struct{}
	Pings atomic.Int64 // the number of pings that clients have received
}

// New makes n clients.
func New(n int) *Crowd {
	c := &Crowd{conns: make([]memoryConn, n), wake: make([]chan struct{}, n)}
	for i := range c.conns {
		c.wake[i] = make(chan struct{}, 1)
		c.conns[i] = memoryConn{crowd: c, wake: c.wake[i]}
	}
	return c
}

// Open connects all clients to the server. The channel accepted must receive a
// value for each connection. The users are numbered from 0 to users-1.
func (c *Crowd) Open(srv http.Handler, users int, accepted <-chan struct{}) (perSecond float64, err error) {
	begin := time.Now()
	var wg sync.WaitGroup
	var refused atomic.Int64
	share := (len(c.conns) + runtime.NumCPU() - 1) / runtime.NumCPU()
	for from := 0; from < len(c.conns); from += share {
		wg.Go(func() {
			for i := from; i < min(from+share, len(c.conns)); i++ {
				if !c.Connect(srv, i, users) {
					refused.Add(1)
				}
			}
		})
	}
	for range c.conns {
		select {
		case <-accepted:
		case <-time.After(30 * time.Second):
			return 0, fmt.Errorf("not all clients are connected; the server refused %d", refused.Load())
		}
	}
	wg.Wait()
	return float64(len(c.conns)) / time.Since(begin).Seconds(), nil
}

// Connect connects client i, and reports whether the server has accepted it. A
// client can connect once.
func (c *Crowd) Connect(srv http.Handler, i, users int) bool {
	w := &responseWriter{conn: &c.conns[i]}
	srv.ServeHTTP(w, handshake(i, users))
	return w.status == 0
}

// Drop closes the connection of client i.
func (c *Crowd) Drop(i int) { _ = c.conns[i].Close() }

// handshake returns the request of client n, with the headers of a browser.
func handshake(n, users int) *http.Request {
	return &http.Request{
		Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL:        &url.URL{Path: "/socket.io/", RawQuery: "EIO=4&transport=websocket"},
		RequestURI: "/socket.io/?EIO=4&transport=websocket",
		Host:       "example.org",
		RemoteAddr: "192.0.2.1:" + strconv.Itoa(1024+n%60000),
		Body:       http.NoBody,
		Header: http.Header{
			"Connection":            {"Upgrade"},
			"Upgrade":               {"websocket"},
			"Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key":     {"dGhlIHNhbXBsZSBub25jZQ=="},
			"Origin":                {"http://example.org"},
			"Pragma":                {"no-cache"},
			"Cache-Control":         {"no-cache"},
			"User-Agent":            {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
			"Accept-Encoding":       {"gzip, deflate, br, zstd"},
			"Accept-Language":       {"en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7"},
			"X-Session":             {SessionID(n)},
			"X-User":                {UserID(n % users)},
		},
	}
}

// responseWriter is an http.ResponseWriter whose connection the server hijacks.
type responseWriter struct {
	conn   *memoryConn
	header http.Header
	status int
}

func (w *responseWriter) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

func (w *responseWriter) WriteHeader(status int)      { w.status = status }
func (w *responseWriter) Write(p []byte) (int, error) { return len(p), nil }

func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReaderSize(w.conn, 16), bufio.NewWriter(w.conn)), nil
}

// memoryConn is the server's side of a connection. The client connects to the
// namespace "/" and then answers pings.
type memoryConn struct {
	crowd       *Crowd
	wake        chan struct{} // a signal that Read can return a pong, or that the connection is closed
	sentConnect bool          // Read has returned the CONNECT; only Read uses it
	closed      atomic.Bool
}

var (
	connectPacket = []byte("\x81\x82\x00\x00\x00\x0040")
	pongPacket    = []byte("\x81\x81\x00\x00\x00\x003")
	pingPacket    = "\x81\x012"
)

func (c *memoryConn) Read(p []byte) (int, error) {
	if !c.sentConnect {
		c.sentConnect = true
		return copy(p, connectPacket), nil
	}
	<-c.wake
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	return copy(p, pongPacket), nil
}

func (c *memoryConn) Write(p []byte) (int, error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	if string(p) == pingPacket {
		c.crowd.Pings.Add(1)
		c.signal()
	}
	return len(p), nil
}

func (c *memoryConn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *memoryConn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	c.signal()
	return nil
}

// memoryAddress is the address of both sides.
type memoryAddress struct{}

func (memoryAddress) Network() string { return "memory" }
func (memoryAddress) String() string  { return "192.0.2.1:80" }

func (c *memoryConn) LocalAddr() net.Addr              { return memoryAddress{} }
func (c *memoryConn) RemoteAddr() net.Addr             { return memoryAddress{} }
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }
