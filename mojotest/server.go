package mojotest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Server runs a site for a test: an http.Handler with a mojo.Server in it, in
// memory or on the loopback interface. Make one with NewServer,
// NewLoopbackServer or NewTLSServer. It ends when its test ends or Close is
// called.
//
// Its methods are safe for concurrent use, but those that take a testing.TB
// must be called in the goroutine of that test.
type Server struct {
	// URL is the address of the site: scheme and host, without a slash at the
	// end. The address of a site in memory works only in a Browser of this
	// Server.
	URL string

	// Timeout limits how long a method waits for the site before it fails the
	// test. Zero means 10 seconds. Set it before the first NewBrowser or Dial.
	Timeout time.Duration

	// AllowPanics permits panics in callbacks of the site. Otherwise Close
	// fails the test after a panic, because mojo itself only logs and counts
	// it.
	AllowPanics bool

	t      testing.TB
	mojo   *mojo.Server
	site   *siotest.Site
	token  string // the value of tokenHeader
	panics uint64 // Stats.HandlerPanics at the start
	closed sync.Once

	mu       sync.Mutex // guards the field below
	browsers []*Browser
}

// NewServer serves a site in memory until the test ends. No network is
// involved, so it also works in a testing/synctest bubble. There make srv and
// the site in the bubble too: the clock of a bubble begins in the past, so a
// mojo.Server from outside the bubble never reaches its timeouts.
//
// site is the complete handler of the site: it passes requests for
// "/socket.io/" to srv, and includes srv.EnsureSession if the site uses it. If
// it is nil, the Server serves srv at "/socket.io/" and an empty page at "/",
// wrapped by EnsureSession.
//
// srv may be nil if the test cannot get it from the site. Then LogIn, LogOut
// and Identity fail the test, and Close does not close the mojo.Server.
//
// When the test ends, Close is called.
//
// If t is nil, as in an Example, a failure panics, and the caller must call
// Close.
func NewServer(t testing.TB, srv *mojo.Server, site http.Handler) *Server {
	reporter(t).Helper()
	return serve(t, siotest.Memory, srv, site)
}

// NewLoopbackServer is NewServer on a free port of 127.0.0.1, for tests with
// clients of their own, such as a real browser. It does not work in a bubble.
func NewLoopbackServer(t testing.TB, srv *mojo.Server, site http.Handler) *Server {
	reporter(t).Helper()
	return serve(t, siotest.TCP, srv, site)
}

// NewTLSServer is NewLoopbackServer with TLS. The certificate is self-signed;
// each Browser trusts it.
func NewTLSServer(t testing.TB, srv *mojo.Server, site http.Handler) *Server {
	reporter(t).Helper()
	return serve(t, siotest.TLS, srv, site)
}

func serve(t testing.TB, n siotest.Network, srv *mojo.Server, site http.Handler) *Server {
	t = reporter(t)
	t.Helper()
	s := &Server{t: t, mojo: srv, token: rand.Text()}
	switch {
	case srv != nil:
		s.panics = srv.Stats().HandlerPanics
	case site == nil:
		t.Fatalf("mojotest: a Server needs a *mojo.Server or a handler")
	}
	if site == nil {
		site = defaultSite(srv)
	}
	s.site = siotest.Serve(t, n, s.withCommands(site))
	s.URL = s.site.URL
	t.Cleanup(s.Close) // runs before that of siotest.Serve
	return s
}

// defaultSite returns the site that NewServer serves if it gets no handler.
func defaultSite(srv *mojo.Server) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	return srv.EnsureSession(mux)
}

// Dial connects a new browser, without cookies, to a namespace. It calls
// NewBrowser and Browser.Dial, for tests without logins.
func (s *Server) Dial(t testing.TB, namespace string, o *DialOptions) *Socket {
	reporter(t).Helper()
	return s.NewBrowser(t).Dial(namespace, o)
}

// Close closes the browsers, closes the mojo.Server, waits for its handlers and
// stops serving. It fails the test if a handler does not return within Timeout,
// and if a callback has panicked, see AllowPanics. The site may have shut down
// the mojo.Server before. The end of the test calls Close; a second call does
// nothing.
func (s *Server) Close() {
	s.t.Helper()
	s.closed.Do(func() {
		s.t.Helper()
		s.mu.Lock()
		browsers := slices.Clone(s.browsers)
		s.mu.Unlock()
		for _, b := range browsers {
			b.Close()
		}
		err := s.shutDown()
		s.site.Close()
		if err != nil {
			s.t.Errorf("%v", err)
		}
	})
}

// shutDown closes the mojo.Server and waits for its handlers. Shutdown alone
// would also wait for clients that have vanished without closing their
// connections.
func (s *Server) shutDown() error {
	if s.mojo == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout())
	defer cancel()
	_ = s.mojo.Close() // returns nil
	if err := s.mojo.Shutdown(ctx); err != nil {
		return err
	}
	if n := s.mojo.Stats().HandlerPanics - s.panics; n > 0 && !s.AllowPanics {
		return fmt.Errorf("mojotest: callbacks of the site panicked, %d in all: see its log, or set Server.AllowPanics", n)
	}
	return nil
}

func (s *Server) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return siotest.Limit
}
