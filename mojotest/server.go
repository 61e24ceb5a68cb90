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

// Server is a site under test: an http.Handler that is served in memory or on the
// loopback interface, with the mojo.Server in it. Make one with NewServer,
// NewLoopbackServer or NewTLSServer.
//
// The methods are safe for concurrent use.
type Server struct {
	// URL is the address of the site: scheme and host, without a slash at its end. In
	// memory it is an address that only browsers of this Server reach.
	URL string

	// Timeout is how long a browser of this Server waits for the site before it fails
	// its test. Set it before the first browser is made. 0: 10 s.
	Timeout time.Duration

	// AllowPanics lets callbacks of the site panic. Without it the test fails at its
	// end if one has, as mojo itself only logs and counts that.
	AllowPanics bool

	t      testing.TB
	mojo   *mojo.Server
	site   *siotest.Site
	token  string // what the requests of LogIn, LogOut and Identity have in tokenHeader
	panics uint64 // Stats.HandlerPanics when the Server was made
	closed sync.Once

	mu       sync.Mutex // guards browsers
	browsers []*Browser
}

// NewServer serves a site in memory until the test ends. There is no network, so it
// also works in a testing/synctest bubble, where hours pass in no time; make srv and
// the site in the bubble then.
//
// The handler is the whole site, with srv in it and its EnsureSession around it. Nil
// is the least of one: srv at "/socket.io/" and an empty page at "/", below
// EnsureSession. srv may be nil if the test does not have it, as where only the
// site's own constructor knows it: then there is no LogIn, LogOut and Identity, and
// srv is not looked after.
//
// When the test ends, the browsers are closed and srv is shut down; a handler that
// does not return within Timeout, and one that has panicked, fail the test. A site
// that shuts srv down by itself may do so.
//
// With a nil t, as in an Example, failures panic, and Close has to be called.
func NewServer(t testing.TB, srv *mojo.Server, site http.Handler) *Server {
	reporter(t).Helper()
	return serve(t, siotest.Memory, srv, site)
}

// NewLoopbackServer is NewServer on a free port of 127.0.0.1, for tests that also
// bring a client of their own, such as a real browser, and for a server that is to
// see TCP connections. It does not work in a bubble.
func NewLoopbackServer(t testing.TB, srv *mojo.Server, site http.Handler) *Server {
	reporter(t).Helper()
	return serve(t, siotest.TCP, srv, site)
}

// NewTLSServer is NewLoopbackServer with TLS. The certificate is self-signed;
// browsers of this package trust it.
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
		site = leastSite(srv)
	}
	s.site = siotest.Serve(t, n, s.withCommands(site))
	s.URL = s.site.URL
	t.Cleanup(s.Close) // runs before that of siotest.Serve
	return s
}

// leastSite is the site of a nil handler.
func leastSite(srv *mojo.Server) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	return srv.EnsureSession(mux)
}

// Dial connects a new browser, which has no cookies, to a namespace. It is
// NewBrowser and Browser.Dial in one, for tests in which nobody logs in.
func (s *Server) Dial(t testing.TB, namespace string, o *DialOptions) *Socket {
	reporter(t).Helper()
	return s.NewBrowser(t).Dial(namespace, o)
}

// Close does what is done at the end of the test, sooner: it closes the browsers,
// shuts the mojo.Server down and stops serving. It fails the test as said at
// NewServer. A second call does nothing.
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

// shutDown ends the mojo.Server. Close comes first, as there are no clients left that
// a Shutdown could wait for.
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
		return fmt.Errorf("mojotest: %d callbacks of the site panicked: see its log, or set Server.AllowPanics", n)
	}
	return nil
}

func (s *Server) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return siotest.Limit
}
