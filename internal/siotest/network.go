package siotest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// Limit is the default of Site.Limit.
const Limit = 10 * time.Second

// Network is a kind of listener. Networks can be compared with ==.
type Network struct {
	Name        string
	tls, memory bool
}

var (
	TCP    = Network{Name: "tcp"}                  // 127.0.0.1; the server sees *net.TCPConn
	TLS    = Network{Name: "tls", tls: true}       // the same with TLS, and HTTP/2 for clients that ask for it
	Memory = Network{Name: "memory", memory: true} // no network; for testing/synctest

	// Networks contains all networks.
	Networks = []Network{TCP, TLS, Memory}
)

// Each runs fn as a subtest on each network.
func Each(t *testing.T, fn func(t *testing.T, n Network)) {
	t.Helper()
	for _, n := range Networks {
		t.Run(n.Name, func(t *testing.T) { fn(t, n) })
	}
}

// Site runs an http.Server for a test and opens connections to it. Serve,
// ServeServer or At makes one. Its methods are safe for concurrent use.
type Site struct {
	URL string // scheme://host[:port], no slash at the end

	// Limit limits how long a method waits for the server before it fails the
	// test. A test may change it before the first connection.
	Limit time.Duration

	t        testing.TB
	network  Network
	address  string       // host:port, unless the network is Memory
	listener net.Listener // nil: the server is somewhere else
	server   *http.Server // nil: the server is somewhere else
	served   chan struct{}
	dialer   dialer // for Dial, Client and HTTP2Client
	http1    *http.Client
	http2    *http.Client

	mu      sync.Mutex // guards engines
	engines map[*Engine]struct{}
}

// Serve runs h on a listener of kind n until the test ends.
func Serve(t testing.TB, n Network, h http.Handler) *Site {
	t.Helper()
	return ServeServer(t, n, &http.Server{Handler: h})
}

// ServeServer runs srv, with the settings of the caller, on a listener of kind
// n. The end of the test cuts all connections of this package, hijacked ones
// included, and closes srv. It sets srv.TLSConfig and, if it is nil,
// srv.ErrorLog.
func ServeServer(t testing.TB, n Network, srv *http.Server) *Site {
	t.Helper()
	s := newSite(t, n)
	s.server = srv
	if srv.ErrorLog == nil {
		srv.ErrorLog = log.New(errorLog{}, "", log.LstdFlags)
	}
	s.listen()
	s.makeClients()
	listener := s.listener
	go func() {
		defer close(s.served)
		if n.tls {
			srv.ServeTLS(listener, "", "")
		} else {
			srv.Serve(listener)
		}
	}()
	t.Cleanup(s.Close)
	return s
}

// At returns the Site of a server that is somewhere else, for instance in
// another process. The address is host:port, without TLS. The end of the test
// cuts all connections of this package.
func At(t testing.TB, address string) *Site {
	t.Helper()
	s := newSite(t, TCP)
	s.address, s.URL = address, "http://"+address
	s.makeClients()
	close(s.served)
	t.Cleanup(s.Close)
	return s
}

func newSite(t testing.TB, n Network) *Site {
	s := &Site{Limit: Limit, t: t, network: n, served: make(chan struct{}), engines: make(map[*Engine]struct{})}
	s.dialer.site = s
	return s
}

func (s *Site) makeClients() {
	s.http1 = s.dialer.httpClient(false)
	s.http2 = s.dialer.httpClient(true)
}

func (s *Site) listen() {
	s.t.Helper()
	if s.network.memory {
		s.listener = newMemoryListener()
		s.URL = "http://mojo.test"
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	s.listener, s.address = listener, listener.Addr().String()
	s.URL = "http://" + listener.Addr().String()
	if s.network.tls {
		s.URL = "https://" + listener.Addr().String()
		config := s.server.TLSConfig.Clone()
		if config == nil {
			config = &tls.Config{}
		}
		cert, _ := certificate()
		config.Certificates = []tls.Certificate{cert}
		s.server.TLSConfig = config
	}
}

// Close stops the site. The end of the test calls it. A second call does
// nothing.
func (s *Site) Close() {
	s.mu.Lock()
	engines := s.engines
	s.engines = nil
	s.mu.Unlock()
	for e := range engines {
		e.Drop()
	}
	s.http1.CloseIdleConnections()
	s.http2.CloseIdleConnections()
	s.dialer.cut()
	if s.server != nil {
		s.server.Close()
		s.listener.Close() // srv.Close does not know the listener before Serve has begun
	}
	<-s.served
}

// WithLimit returns a context that ends after Limit. Its cause names the limit.
func (s *Site) WithLimit(ctx context.Context) (context.Context, context.CancelFunc) {
	return withLimit(ctx, s.Limit)
}

func withLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited for %v", limit))
}

// Network returns the network of the site.
func (s *Site) Network() Network { return s.network }

// Host returns the host[:port] of the site's URL.
func (s *Site) Host() string {
	_, host, _ := bytes.Cut([]byte(s.URL), []byte("://"))
	return string(host)
}

// Client returns an HTTP/1.1 client that reaches the site on any network and
// trusts its certificate. It keeps its connections alive until the test ends.
func (s *Site) Client() *http.Client { return s.http1 }

// HTTP2Client is Client over HTTP/2. The site must have TLS.
func (s *Site) HTTP2Client() *http.Client {
	s.t.Helper()
	if !s.network.tls {
		s.t.Fatalf("HTTP/2 needs the network TLS, this site is on %s", s.network.Name)
	}
	return s.http2
}

// Dial opens a connection to the site, with TLS (HTTP/1.1) if the site has it.
// It is closed when the test ends.
func (s *Site) Dial(ctx context.Context) (net.Conn, error) { return s.dialer.dial(ctx) }

func (s *Site) connect(ctx context.Context, readBuffer int) (net.Conn, error) {
	if memory, ok := s.listener.(*memoryListener); ok {
		return memory.dial(ctx, readBuffer)
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	if readBuffer > 0 {
		// With a smaller buffer Linux announces no window at all, because the
		// segments of the loopback are large.
		c.(*net.TCPConn).SetReadBuffer(max(readBuffer, 32<<10))
	}
	return c, nil
}

func (s *Site) tlsConfig() *tls.Config {
	_, pool := certificate()
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

// track adds an engine to those that Close ends before the server.
func (s *Site) track(e *Engine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engines != nil {
		s.engines[e] = struct{}{}
	}
}

func (s *Site) forget(e *Engine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.engines, e)
}

// errorLog is the http.Server's log. It drops the lines about connections that
// were cut.
type errorLog struct{}

func (errorLog) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("TLS handshake error")) || bytes.Contains(line, []byte("http2: server: error reading preface")) {
		return len(line), nil
	}
	return os.Stderr.Write(line)
}
