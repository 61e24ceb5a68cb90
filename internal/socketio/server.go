// Package socketio is a Socket.IO server, protocol revision 5, on engineio:
// namespaces over one connection, events, acks, binary attachments, rooms, and
// identity over package hub.
//
// Locks, in the order in which they are taken:
//
//  1. Server.changeMu guards no field. It is held from the command that changes
//     an identity until the change is complete for every connection.
//  2. revalidator.mu guards revalidator.revalidatorByMu.
//  3. The lock of package hub, which calls nothing here.
//  4. client.mu guards client.clientByMu.
//  5. Socket.mu guards Socket.socketByMu.
//  6. The locks of engineio.
//  7. notifications.mu guards notifications.notificationsByMu.
//  8. activity.mu guards activity.activityByMu and mailbox.mailboxByActivityMu.
//  9. The lock of package persist, which calls nothing here.
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

	"github.com/mojosocket/mojo/internal/cluster"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/engineio"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/hub/presence"
	"github.com/mojosocket/mojo/internal/persist"
	"github.com/mojosocket/mojo/internal/warn"
	"github.com/mojosocket/mojo/ledger"
)

// The errors of this package. Package mojo adds the prefix "mojo: ".
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
	// IdentityChanged ends a connection so that its client reconnects with its
	// new identity.
	IdentityChanged Reason = "identity changed"
	TooFast         Reason = "rate limit"
)

// Options configures a Server, which does not check them, as with
// engineio.Options.
type Options struct {
	Engine         engineio.Options // the Server sets Open
	ConnectTimeout time.Duration    // for the first CONNECT
	AskTime        time.Duration    // for a WebSocket to try to prove its claim

	RequireSession bool // refuse handshakes without a session
	MaxPerSession  int  // connections; 0: no limit
	MaxPerUser     int
	CloseOldest    bool // close the oldest connection above these two limits, instead of refusing the new one
	MaxUnconnected int  // connections without a first CONNECT; 0: no limit

	MaxRooms           int // of a socket
	MaxRoomName        int // bytes
	MaxAcks            int // outstanding acks of a socket
	AckTimeout         time.Duration
	MaxAttachments     int // of a message from a client
	MaxAttachmentBytes int // of all attachments of a message
	MaxRate            int // packets per second from a client; 0: no limit

	// Identify returns the identity of the client that makes a request. An
	// error refuses the request. It is called for handshakes and for all later
	// requests. It must not panic, see CallIdentify.
	Identify func(r *http.Request) (command.Identified, error)
	// BeginSession returns the session that begins with a handshake, nil if
	// none does. The identity is what Identify found. It may be nil.
	BeginSession func(r *http.Request, id command.Identified) *NewSession
	// KeepHandshake returns the value for Socket.Handshake. It must not keep r.
	KeepHandshake func(r *http.Request) any
	// Describe returns what servers of another kind see of a socket, see
	// cluster.Socket. It may be nil.
	Describe func(s *Socket) (handshake, data []byte)

	PresenceGrace time.Duration             // how long an id stays online after the end of its last socket
	Presence      func(presence.Transition) // of the whole server; may be nil
	Revalidation  Revalidation              // without Ask there is none

	// Cluster makes the Server a node; nil: it is alone. NewServer sets the
	// field Local and those about presence.
	Cluster *cluster.Config
	// Ledger stores what was given up or revoked; nil: a restart forgets it. The
	// Server does not load it, see Merge.
	Ledger ledger.Store
	// RefuseIsolated refuses handshakes while the cluster cannot be reached.
	RefuseIsolated bool
}

// NewSession is a session that begins with a handshake. It is a value.
type NewSession struct {
	command.Identified
	Header   http.Header // of the answer; it sets the cookie
	Admitted func()      // called when the connection is admitted
}

// Server is an http.Handler and has all connections. NewServer makes it, and it
// serves until Shutdown or Close. It is safe for concurrent use: its fields do
// not change, or are atomic.
type Server struct {
	opts          Options
	engine        *engineio.Engine
	log           *slog.Logger
	warn          *warn.Log
	hub           *hub.Hub
	activity      activity
	notifications notifications
	counters      counters
	created       time.Time
	revalidator   *revalidator    // nil without Options.Revalidation
	node          *cluster.Node   // nil without Options.Cluster
	transitions   transitions     // of the hub or, in a cluster, of the node
	ledger        *persist.Writer // nil without Options.Ledger

	// changeMu is held while an identity changes, so that a connection changes
	// its identity once at a time.
	changeMu sync.Mutex

	graceTimer   atomic.Pointer[time.Timer] // the latest timer for Hub.EndGrace; nil if there was none
	closed       atomic.Bool
	lastQuestion atomic.Uint32                         // the number of broadcasts with acks
	namespaces   atomic.Pointer[map[string]*Namespace] // the map is immutable; Mount stores a new one
}

// NewServer returns a Server without namespaces. With Options.Cluster, Start
// must be called before anything else.
func NewServer(opts Options) *Server {
	if opts.Engine.Warn == nil {
		opts.Engine.Warn = warn.New(opts.Engine.Logger)
	}
	s := &Server{opts: opts, log: opts.Engine.Logger, warn: opts.Engine.Warn, created: time.Now()}
	s.ledger = persist.NewWriter(opts.Ledger, s.log, s.warn)
	config := opts.hubConfig()
	if opts.Cluster != nil {
		s.node = s.newNode(*opts.Cluster)
		config.Node, config.TrackEntries, config.ProofPrefix = s.node.Name(), true, opts.Engine.IDPrefix
	}
	s.hub = hub.New(config)
	if s.transitions = s.hub; s.node != nil {
		s.transitions = s.node
	}
	s.namespaces.Store(new(map[string]*Namespace))
	if opts.Revalidation.Ask != nil {
		s.revalidator = newRevalidator(s, opts.Revalidation)
	}
	opts.Engine.Open = s.open
	s.engine = engineio.New(opts.Engine)
	return s
}

func (o *Options) hubConfig() hub.Config {
	return hub.Config{
		RequireSession: o.RequireSession, MaxPerSession: o.MaxPerSession, MaxPerUser: o.MaxPerUser, CloseOldest: o.CloseOldest,
		MaxRooms: o.MaxRooms, MaxRoomName: o.MaxRoomName,
		WatchPresence: o.Presence != nil && o.Cluster == nil, PresenceGrace: o.PresenceGrace,
		AskTime: o.AskTime, Revalidate: o.Revalidation.Ask != nil, Journal: o.Ledger != nil,
	}
}

// Hub returns the hub, for queries and for Join and Leave. Commands that affect
// connections are methods of the Server.
func (s *Server) Hub() *hub.Hub { return s.hub }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Closed reports whether Shutdown or Close was called.
func (s *Server) Closed() bool { return s.closed.Load() }

func (s *Server) markClosed() {
	s.closed.Store(true)
	s.revalidator.stop()
	s.doPresenceWork(s.transitions.EndAllGrace())
	s.stopGrace()
}

// identitiesAdded is called when connections may have new identities.
func (s *Server) identitiesAdded() { s.revalidator.arm() }

// Shutdown refuses new connections, closes every connection by its transport,
// and waits until all have ended and all handlers have returned, or ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.markClosed()
	if err := s.engine.Shutdown(ctx); err != nil {
		return err
	}
	if err := s.activity.wait(ctx); err != nil {
		return err
	}
	s.leaveCluster(goodbyeTime)
	_ = s.ledger.Flush(ctx) // the error is logged
	s.ledger.Close()
	return nil
}

// goodbyeTime is how long Shutdown waits until the other nodes can know that
// this one leaves.
const goodbyeTime = time.Second

func (s *Server) leaveCluster(wait time.Duration) {
	if s.node != nil {
		s.node.Close(wait)
	}
}

// doPresenceWork sets the timer of the grace time and reports transitions, as
// the hub has requested. Any caller reports the transitions of all callers
// before it. The last one is the end of the last connection, for which Shutdown
// waits.
func (s *Server) doPresenceWork(work presence.Work) {
	if work.Changes {
		s.doPresenceWork(s.node.Changed())
	}
	if work.EndGraceAfter > 0 {
		s.graceTimer.Store(time.AfterFunc(work.EndGraceAfter, func() { s.doPresenceWork(s.transitions.EndGrace()) }))
		if s.Closed() { // EndAllGrace may have run before
			s.stopGrace()
		}
	}
	if !work.Notify {
		return
	}
	s.activity.begin() // before BeginNotifying: Shutdown waits for this goroutine
	if s.transitions.BeginNotifying() {
		go s.tellTransitions()
	} else {
		s.activity.end()
	}
}

// Live returns the number of connections that have not ended.
func (s *Server) Live() int { return s.engine.Live() }

// Close closes every connection and does not wait for clients or handlers.
func (s *Server) Close() {
	s.markClosed()
	s.engine.Close()
	s.leaveCluster(0)
	s.ledger.Close()
}

// Call runs a callback of the site and reports whether it has returned. A panic
// of the callback is recovered, counted and logged.
func (s *Server) Call(callback string, run func()) (returned bool) {
	defer func() {
		if !returned {
			s.panicked(callback, recover())
		}
	}()
	run()
	return true
}

// panicked counts and logs that a callback did not return. `with` is the value
// of its panic. It is nil after runtime.Goexit, which a failed test calls and
// which is not logged.
func (s *Server) panicked(callback string, with any, more ...any) {
	s.counters.panics.Add(1)
	if with == nil {
		return
	}
	args := append([]any{"callback", callback}, more...)
	s.log.Error("mojo: a handler panicked", append(args, "panic", with, "stack", string(debug.Stack()))...)
}
