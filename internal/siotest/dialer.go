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

// dialer opens connections to one site and remembers them, so that it can cut
// all of them, or stop reading from them. Each Engine has its own.
type dialer struct {
	site       *Site
	readBuffer int                                         // bytes that the server can send ahead; 0: as the network has it
	connect    func(ctx context.Context) (net.Conn, error) // nil: to the site

	mu     sync.Mutex // guards the fields below
	conns  map[*heldConn]struct{}
	cutOff bool
	resume chan struct{} // closed by resumeReads; nil while reading is on
}

// dial returns a connection on which TLS, if any, is already agreed, for
// HTTP/1.1.
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
	held := &heldConn{Conn: c, dialer: d, closed: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cutOff {
		c.Close()
		return nil, net.ErrClosed
	}
	if d.conns == nil {
		d.conns = make(map[*heldConn]struct{})
	}
	d.conns[held] = struct{}{}
	if d.resume != nil {
		c.SetReadDeadline(past)
	}
	return held, nil
}

// httpClient returns a client that uses the dialer. The caller closes its idle
// connections.
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
			tcp.SetReadBuffer(1 << 20) // a small one would make catching up very slow
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

// heldConn is a connection of a dialer, which can pause its reads by the read
// deadline of the inner connection.
type heldConn struct {
	net.Conn
	dialer *dialer
	once   sync.Once
	closed chan struct{}
}

// NetConn returns the inner connection.
func (c *heldConn) NetConn() net.Conn { return c.Conn }

func (c *heldConn) Read(p []byte) (int, error) {
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

// interrupted reports whether a read that has timed out must be tried again.
// Only the dialer sets read deadlines on the connections of an Engine; those of
// Site.Dial are never paused.
func (d *dialer) interrupted(c *heldConn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, live := d.conns[c]
	return live && d != &d.site.dialer
}

func (c *heldConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.dialer.mu.Lock()
	delete(c.dialer.conns, c)
	c.dialer.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite closes the client's direction only.
func (c *heldConn) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}
