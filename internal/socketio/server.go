// Package socketio is a Socket.IO server, protocol revision 5, on engineio:
// namespaces over one connection, events, acks, binary attachments, rooms, and
// identity over package hub.
//
// Locks, in the order in which they are taken:
//
//  1. Server.changes guards no field. It is held from the command of a change
//     of identity until the change is complete for every connection.
//  2. revalidator.mu guards revalidator.revalidatorByMu.
//  3. The lock of package hub, which calls nothing here.
//  4. client.mu guards client.clientByMu.
//  5. Socket.mu guards Socket.socketByMu.
//  6. The locks of engineio.
//  7. activity.mu guards activity.activityByMu and mailbox.mailboxByActivityMu.
//
// Under a lock there is no user code, no I/O, no encoding and no log.
package socketio

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/hub/presence"
	"github.com/mojosocket/mojo/internal/warn"
)

// The errors of this package. The package above names itself in front of them.
var (
	ErrNotConnected = errors.New("not connected")
	ErrServerClosed = errors.New("server closed")
	ErrAlreadyAcked = errors.New("already acknowledged")
	ErrTooLarge     = errors.New("message too large")
	ErrQueueFull    = engineio.ErrQueueFull
	ErrTooManyAcks  = errors.New("too many answers are outstanding")
	ErrTooManyRooms = hub.ErrTooManyRooms
	ErrRoomName     = hub.ErrRoomName
)

// Reason says why a socket ended.
type Reason = engineio.Reason

// The reasons of this package. Those of the engine are in engineio.
const (
	ClientDisconnect Reason = "client namespace disconnect"
	ServerDisconnect Reason = "server namespace disconnect"
	HandlerPanic     Reason = "handler panic"
	// IdentityChanged ends a connection so that it comes back under its new
	// identity.
	IdentityChanged Reason = "identity changed"
	TooFast         Reason = "rate limit"
)

// Options configures a Server. What they hold is trusted, as in
// engineio.Options.
type Options struct {
	Engine         engineio.Options // without Open
	ConnectTimeout time.Duration    // for the first CONNECT
	AskTime        time.Duration    // in which a WebSocket must try to prove its claim

	RequireSession bool // refuse handshakes without a session
	MaxPerSession  int  // connections; 0: no limit
	MaxPerUser     int
	CloseOldest    bool // instead of refusing a connection above these two
	MaxUnconnected int  // connections without a first CONNECT; 0: no limit

	MaxRooms           int // of a socket
	MaxRoomName        int // bytes
	MaxAcks            int // that a socket waits for
	AckTimeout         time.Duration
	MaxAttachments     int // of a message from a client
	MaxAttachmentBytes int // together
	MaxRate            int // packets per second from a client; 0: no limit

	// Identify tells who makes a request. An error refuses the request. It is
	// called for handshakes and for all later requests. It must not panic, see
	// Guarded.
	Identify func(r *http.Request) (command.Identified, error)
	// Begin returns the session that begins with a handshake, nil if none does.
	// The identity is what Identify found. It may be nil.
	Begin func(r *http.Request, id command.Identified) *Begun
	// Keep returns what to keep of a handshake as Socket.Handshake. It must not
	// keep r.
	Keep func(r *http.Request) any

	PresenceGrace time.Duration             // from the end of the last socket of an id until it is offline
	Presence      func(presence.Transition) // of the whole server; may be nil
	Revalidation  Revalidation              // without Ask there is none
}

// Begun is a session that begins with a handshake.
type Begun struct {
	command.Identified
	Header http.Header // of the answer, which tells the client
	Taken  func()      // is called when the connection is admitted
}

// Server is an http.Handler and the root of everything that is connected. It is
// safe for concurrent use.
type Server struct {
	opts     Options
	engine   *engineio.Engine
	log      *slog.Logger
	warn     *warn.Log
	hub      *hub.Hub
	activity activity
	figures  figures
	made     time.Time
	validity *revalidator // nil without Options.Revalidation

	// changes is held while an identity changes, so that the changes of a
	// connection follow each other.
	changes sync.Mutex

	grace      atomic.Pointer[time.Timer] // the latest for Hub.EndGrace; nil before
	closed     atomic.Bool
	namespaces atomic.Pointer[map[string]*Namespace] // a map is never changed; Mount stores another
}

// NewServer returns a Server without namespaces.
func NewServer(opts Options) *Server {
	if opts.Engine.Warn == nil {
		opts.Engine.Warn = warn.New(opts.Engine.Logger)
	}
	s := &Server{opts: opts, log: opts.Engine.Logger, warn: opts.Engine.Warn, made: time.Now(), hub: hub.New(opts.hubConfig())}
	s.namespaces.Store(new(map[string]*Namespace))
	if opts.Revalidation.Ask != nil {
		s.validity = newRevalidator(s, opts.Revalidation)
	}
	opts.Engine.Open = s.open
	s.engine = engineio.New(opts.Engine)
	return s
}

func (o *Options) hubConfig() hub.Config {
	return hub.Config{
		RequireSession: o.RequireSession, MaxPerSession: o.MaxPerSession, MaxPerUser: o.MaxPerUser, CloseOldest: o.CloseOldest,
		MaxRooms: o.MaxRooms, MaxRoomName: o.MaxRoomName,
		WatchPresence: o.Presence != nil, PresenceGrace: o.PresenceGrace,
		AskTime: o.AskTime, Revalidate: o.Revalidation.Ask != nil,
	}
}

// Hub returns the hub, for questions and for Join and Leave. The commands whose
// effects have to be acted on are methods of the Server.
func (s *Server) Hub() *hub.Hub { return s.hub }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Closed reports whether Shutdown or Close was called.
func (s *Server) Closed() bool { return s.closed.Load() }

func (s *Server) markClosed() {
	s.closed.Store(true)
	s.validity.stop()
	s.doPresenceWork(s.hub.EndAllGrace())
	s.stopGrace()
}

// identitiesAdded is called when connections may have identities that were not
// there before.
func (s *Server) identitiesAdded() { s.validity.arm() }

// Shutdown refuses what is new, closes every connection by its transport, and
// waits until all have gone and all handlers have returned, or ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.markClosed()
	if err := s.engine.Shutdown(ctx); err != nil {
		return err
	}
	return s.activity.wait(ctx)
}

// Live is the number of connections that have not gone.
func (s *Server) Live() int { return s.engine.Live() }

// Close cuts every connection without waiting for clients or handlers.
func (s *Server) Close() {
	s.markClosed()
	s.engine.Close()
}

// Call runs a callback of the site, and reports whether it has returned. A panic is
// counted and logged. It does not leave Call.
func (s *Server) Call(callback string, run func()) (returned bool) {
	defer func() {
		if !returned {
			s.panicked(callback, recover())
		}
	}()
	run()
	return true
}

// panicked counts and logs that a callback did not return. What it panicked
// with is nil after runtime.Goexit, for instance that of a failed test, which
// is not logged.
func (s *Server) panicked(callback string, with any, more ...any) {
	s.figures.panics.Add(1)
	if with == nil {
		return
	}
	args := append([]any{"callback", callback}, more...)
	s.log.Error("mojo: a handler panicked", append(args, "panic", with, "stack", string(debug.Stack()))...)
}
