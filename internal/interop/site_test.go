package interop_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
)

const (
	limit        = 20 * time.Second       // how long a test waits for something
	pingInterval = 300 * time.Millisecond // short, so that pings arrive during every scenario
)

// site is a web site whose mojo.Server can stop and start again at the same
// address. It records every connection that its apps have accepted.
type site struct {
	t       *testing.T
	cookies *mojo.Cookies
	addr    string
	pauses  pauses

	mu         sync.Mutex // guards the fields below
	mojo       *mojo.Server
	http       *http.Server
	served     chan struct{} // closed when http has stopped
	records    map[string]*record
	tabs       map[tab][]string // the ids of the connections
	handshakes int
}

// tab is how a client of Engine.IO 3 names its connection to a namespace.
type tab struct{ Tab, Namespace string }

// authOf returns what a client sent to connect, nil if it sent nothing.
func authOf(c *mojo.Conn) map[string]any {
	var auth map[string]any
	_ = json.Unmarshal(c.Handshake().Auth, &auth)
	return auth
}

// tabOf returns the tab of a connection. For the root namespace it is in the
// URL.
func tabOf(c *mojo.Conn) tab {
	name, _ := authOf(c)["tab"].(string)
	namespace := c.Channel().Namespace()
	if namespace == "/" {
		name = c.Handshake().Query().Get("tab")
	}
	return tab{name, namespace}
}

// record records the end of a connection.
type record struct {
	conn   *mojo.Conn
	ended  chan struct{}
	reason mojo.Reason // set when ended is closed
}

func newSite(t *testing.T) *site {
	t.Helper()
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	require.NoError(t, err)
	s := &site{t: t, cookies: cookies, addr: "127.0.0.1:0", records: make(map[string]*record), tabs: make(map[tab][]string)}
	require.NoError(t, s.start(serverOptions{}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := s.server().Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		s.stop()
	})
	return s
}

func (s *site) url() string { return "http://" + s.addr }

func (s *site) server() *mojo.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mojo
}

// serverOptions has options of a mojo.Server. Zero fields have the defaults of
// the site.
type serverOptions struct {
	PingInterval, PingTimeout int // milliseconds
	MaxRate                   int
}

// start starts a new mojo.Server at the address of the previous one.
func (s *site) start(o serverOptions) error {
	server, err := mojo.New(mojo.Options{
		Cookies: s.cookies,
		Timeouts: mojo.Timeouts{
			PingInterval: cmp.Or(time.Duration(o.PingInterval)*time.Millisecond, pingInterval),
			PingTimeout:  time.Duration(o.PingTimeout) * time.Millisecond,
		},
		Limits:    mojo.Limits{MaxRate: o.MaxRate},
		AllowEIO3: true,
		Logger:    slog.New(slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	if err := s.mount(server); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", s.countingHandler(server))
	site := &http.Server{Handler: mux}
	served := make(chan struct{})
	s.mu.Lock()
	s.addr, s.mojo, s.http, s.served = listener.Addr().String(), server, site, served
	s.mu.Unlock()
	go func() {
		defer close(served)
		if err := site.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.t.Errorf("Serve: %v", err)
		}
	}()
	return nil
}

// stop closes the listener and every connection, as the end of the process
// would.
func (s *site) stop() {
	s.mu.Lock()
	server, site, served := s.mojo, s.http, s.served
	s.mu.Unlock()
	site.Close()
	server.Close()
	<-served
}

// countingHandler counts the Engine.IO handshakes that it passes to next.
func (s *site) countingHandler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("sid") {
			s.mu.Lock()
			s.handshakes++
			s.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

func (s *site) record(id string) *record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[id]
}

// requireNoConnections waits for the end of every connection, and requires that
// the views are empty.
func (s *site) requireNoConnections(t *testing.T) {
	t.Helper()
	timeout := time.After(limit)
	s.mu.Lock()
	records, server := maps.Clone(s.records), s.mojo
	s.mu.Unlock()
	for id, r := range records {
		select {
		case <-r.ended:
		case <-timeout:
			require.Failf(t, "the connection of a closed client has not ended", "%s on %s", id, r.conn.Channel().Namespace())
		}
	}
	for _, r := range records {
		require.Zero(t, r.conn.Channel().Len(), "connections on %s", r.conn.Channel().Namespace())
	}
	require.Zero(t, server.CurrentSessions().Len(), "sessions")
	require.Zero(t, server.LoggedInSessions().Len(), "logged-in sessions")
}

// recorded is an app whose connections the site records.
type recorded struct {
	mojo.SocketHandler
	site *site
}

func (a recorded) OnConnect(c *mojo.Conn) error {
	if err := a.SocketHandler.OnConnect(c); err != nil {
		return err
	}
	a.site.mu.Lock()
	defer a.site.mu.Unlock()
	a.site.records[c.ID()] = &record{conn: c, ended: make(chan struct{})}
	a.site.tabs[tabOf(c)] = append(a.site.tabs[tabOf(c)], c.ID())
	return nil
}

// OnIdentity calls the method of the app, if it has it.
func (a recorded) OnIdentity(c *mojo.Conn, old, now mojo.Identity) error {
	if o, ok := a.SocketHandler.(mojo.IdentityObserver); ok {
		return o.OnIdentity(c, old, now)
	}
	return nil
}

func (a recorded) OnDisconnect(c *mojo.Conn, reason mojo.Reason) {
	a.SocketHandler.OnDisconnect(c, reason)
	r := a.site.record(c.ID())
	if r == nil {
		a.site.t.Errorf("OnDisconnect for %s, which was not accepted", c.ID())
		return
	}
	r.reason = reason
	close(r.ended) // a second OnDisconnect panics here, which fails the test
}
