// Package socketio is a Socket.IO server, protocol revision 5, on engineio:
// namespaces over one connection, events, acks, binary attachments, rooms, and
// the registry of who is connected.
//
// Lock order: client.mu, then Socket.mu, then activity.mu and the locks of
// engineio. registry.mu and Server.mu are taken with none of these held, and none
// while they are. Under a lock there is no user code, no I/O and no encoding.
package socketio

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/mojosocket/mojo/internal/engineio"
)

// The errors of this package. The package above names itself in front of them.
var (
	ErrNotConnected = errors.New("not connected")
	ErrServerClosed = errors.New("server closed")
	ErrAlreadyAcked = errors.New("already acknowledged")
	ErrTooLarge     = errors.New("message too large")
)

// Reason says why a socket ended. Those that begin in the engine are its own.
type Reason = engineio.Reason

// The reasons that begin here.
const (
	ClientDisconnect Reason = "client namespace disconnect"
	ServerDisconnect Reason = "server namespace disconnect"
	HandlerPanic     Reason = "handler panic"
	// IdentityChanged ends a connection so that it comes back under its new identity.
	IdentityChanged Reason = "identity changed"
)

// Options configures a Server. What they hold is trusted, as in engineio.Options.
type Options struct {
	Engine         engineio.Options // without Open
	ConnectTimeout time.Duration    // for the first CONNECT

	RequireSession bool // refuse who has no session

	// Open tells who makes a handshake and what to keep of it as Socket.Handshake.
	// It must not keep r. An error refuses the handshake.
	Open func(r *http.Request) (Identity, any, error)
	// Admits reports whether a later request comes from the same identity.
	Admits func(r *http.Request, id Identity) bool
}

// Identity is whom a connection belongs to. Empty fields are nobody.
type Identity struct {
	Session string
	User    string
}

// Server is an http.Handler and the root of everything that is connected. It is
// safe for concurrent use.
type Server struct {
	opts     Options
	engine   *engineio.Engine
	log      *slog.Logger
	registry registry
	activity activity

	mu         sync.RWMutex // guards what follows
	namespaces map[string]*Namespace
	closed     bool
}

// NewServer returns a Server without namespaces.
func NewServer(opts Options) *Server {
	s := &Server{opts: opts, log: opts.Engine.Logger, namespaces: make(map[string]*Namespace)}
	s.registry.init()
	opts.Engine.Open = s.open
	s.engine = engineio.New(opts.Engine)
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// App is told what happens on the sockets of one namespace. For one socket the
// calls never overlap: Connect, then Event in order, then Disconnect if Connect
// returned nil.
type App interface {
	Connect(s *Socket, auth []byte) *Refusal // auth is JSON, nil if the client sent none
	Event(e *Event)
	Disconnect(s *Socket, reason Reason)
}

// Observer sees what is sent, before it is queued.
type Observer interface {
	Emitted(s *Socket, event string, args []any)
}

// Refusal is what a client is told that may not connect.
type Refusal struct {
	Message string
	Data    any // left out if nil
}

// Namespace is one of the channels that share a connection.
type Namespace struct {
	server   *Server
	name     string
	app      App
	observer Observer // may be nil
	scope    scope    // guarded by registry.mu
}

// NewNamespace returns a namespace, whose name begins with a slash, that is yet to
// be mounted. The observer may be nil.
func (s *Server) NewNamespace(name string, app App, o Observer) *Namespace {
	return &Namespace{server: s, name: name, app: app, observer: o}
}

// Mount has clients connect to n. It reports false if the name is taken.
func (s *Server) Mount(n *Namespace) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.namespaces[n.name]; taken {
		return false
	}
	s.namespaces[n.name] = n
	return true
}

func (s *Server) namespace(name []byte) *Namespace {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(name) == 0 {
		return s.namespaces["/"]
	}
	return s.namespaces[string(name)]
}

// Closed reports whether Shutdown or Close was called.
func (s *Server) Closed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

func (s *Server) markClosed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// Shutdown refuses what is new, closes every connection by its transport, and
// waits until all have gone and all handlers have returned, or ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.markClosed()
	if err := s.engine.Shutdown(ctx); err != nil {
		return err
	}
	return s.activity.wait(ctx)
}

// Close cuts every connection without waiting for clients or handlers.
func (s *Server) Close() {
	s.markClosed()
	s.engine.Close()
}
