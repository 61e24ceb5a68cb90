package siotest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// dialer opens connections to one site and keeps a list of them, to cut all of
// them or to stop reading from them. Each Engine has its own.
type dialer struct {
	site       *Site
	readBuffer int                                         // bytes that the server can send before the client reads; 0: the default of the network
	connect    func(ctx context.Context) (net.Conn, error) // nil: connect to the site

	mu     sync.Mutex // guards the fields below
	conns  map[*pausableConn]struct{}
	cutOff bool
	resume chan struct{} // closed by resumeReads; nil unless reads are paused
}

// dial opens a connection for HTTP/1.1. If the site has TLS, it completes the
// TLS handshake.
func (d *dialer) dial(ctx context.Context) (net.Conn, error) {
	raw, err := d.dialRaw(ctx)
	if err != nil || !d.site.network.tls {
		return raw, err
	}
	conn := tls.Client(raw, d.site.tlsConfig())
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

func (d *dialer) dialRaw(ctx context.Context) (net.Conn, error) {
	connect := d.connect
	if connect == nil {
		connect = func(ctx context.Context) (net.Conn, error) { return d.site.connect(ctx, d.readBuffer) }
	}
	c, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	pausable := &pausableConn{Conn: c, dialer: d, closed: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cutOff {
		c.Close()
		return nil, net.ErrClosed
	}
	if d.conns == nil {
		d.conns = make(map[*pausableConn]struct{})
	}
	d.conns[pausable] = struct{}{}
	if d.resume != nil {
		c.SetReadDeadline(past)
	}
	return pausable, nil
}

// httpClient returns a client that uses the dialer. The caller must close its
// idle connections.
func (d *dialer) httpClient(http2 bool) *http.Client {
	transport := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return d.dialRaw(ctx) },
		DisableCompression: true,
		ForceAttemptHTTP2:  http2,
		IdleConnTimeout:    time.Minute,
	}
	if d.site.network.tls {
		transport.TLSClientConfig = d.site.tlsConfig()
	}
	return &http.Client{Transport: transport}
}

// cut closes every connection below TLS, without a protocol message, and makes
// further dials fail.
func (d *dialer) cut() {
	d.mu.Lock()
	d.cutOff = true
	conns := d.conns
	d.conns = nil
	d.mu.Unlock()
	for c := range conns {
		c.Close()
	}
}

var past = time.Unix(1, 0)

// pauseReads stops reading from the sockets. It interrupts reads in progress.
func (d *dialer) pauseReads() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.resume != nil {
		return
	}
	d.resume = make(chan struct{})
	for c := range d.conns {
		c.Conn.SetReadDeadline(past)
	}
}

func (d *dialer) resumeReads() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.resume == nil {
		return
	}
	for c := range d.conns {
		if tcp, ok := c.Conn.(*net.TCPConn); ok && d.readBuffer > 0 {
			tcp.SetReadBuffer(1 << 20) // with a small buffer the client would read the queued bytes very slowly
		}
		c.Conn.SetReadDeadline(time.Time{})
	}
	close(d.resume)
	d.resume = nil
}

func (d *dialer) paused() chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.resume
}

// pausableConn is a connection of a dialer. The dialer pauses its reads with
// the read deadline of the inner connection.
type pausableConn struct {
	net.Conn
	dialer *dialer
	once   sync.Once
	closed chan struct{}
}

// NetConn returns the inner connection.
func (c *pausableConn) NetConn() net.Conn { return c.Conn }

func (c *pausableConn) Read(p []byte) (int, error) {
	for {
		if resume := c.dialer.paused(); resume != nil {
			select {
			case <-resume:
			case <-c.closed:
				return 0, net.ErrClosed
			}
		}
		n, err := c.Conn.Read(p)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.dialer.interrupted(c) {
			continue
		}
		return n, err
	}
}

// interrupted reports whether Read must try again after a timeout, because the
// dialer has paused c. On the connections of an Engine only the dialer sets
// read deadlines. On those of Site.Dial the test sets them.
func (d *dialer) interrupted(c *pausableConn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, tracked := d.conns[c]
	return tracked && d != &d.site.dialer
}

func (c *pausableConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.dialer.mu.Lock()
	delete(c.dialer.conns, c)
	c.dialer.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite closes the direction from the client to the server.
func (c *pausableConn) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}
