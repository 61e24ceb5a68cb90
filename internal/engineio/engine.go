// Package engineio is an Engine.IO server, protocol revision 4: sessions over
// HTTP long-polling and WebSocket, the upgrade from one to the other,
// heartbeats and bounded queues. It carries messages and knows nothing of what
// they mean; package socketio does.
//
// Lock order: Session.inbound, then Session.mu, then wheel.mu or flushList.mu.
// Engine.mu and eventLoop.mu are never held together with another. Only
// Session.inbound, which keeps the messages of a session apart, is held while a
// Handler runs or something is written.
package engineio

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/warn"
)

// Transport is the name of a way to carry packets, as it stands in the
// "transport" query parameter.
type Transport string

// The transports of Engine.IO revision 4 that this engine speaks.
const (
	Polling   Transport = "polling"
	WebSocket Transport = "websocket"
)

// Reason says why a session ended, in the words Socket.IO uses where it has any.
type Reason string

// The reasons that an engine gives.
const (
	TransportClose Reason = "transport close"
	TransportError Reason = "transport error"
	PingTimeout    Reason = "ping timeout"
	ParseError     Reason = "parse error"
	ForcedClose    Reason = "forced server close"
	ServerShutdown Reason = "server shutting down"
	QueueOverflow  Reason = "send queue overflow"
	TotalOverflow  Reason = "total send queue overflow"
	WriteTimeout   Reason = "write timeout"
	HandlerStall   Reason = "handler stall"
)

// ErrClosed is returned by Send on a session that has ended, and makes Open's
// caller answer that the server is going away.
var ErrClosed = errors.New("engine.io: closed")

// ErrQueueFull is returned by Send for the message that did not fit into
// Options.MaxQueue. The session is closed for that.
var ErrQueueFull = errors.New("send queue full")

// Handler is told what happens on one session.
type Handler interface {
	// Admits tells whether r comes from the client that opened the session. It is
	// called for every request after the handshake.
	Admits(r *http.Request) Admission
	// Message takes one message. Calls never overlap; data is valid until Message
	// returns, and may be modified. Message must not block on user code: the
	// goroutine reads for many sessions. An error ends the session with ParseError.
	Message(data []byte, binary bool) error
	// Lapsed is called when the time that Session.LapseAt named has come. It must not
	// block.
	Lapsed()
	// Closed is called once. A Message that had begun may still be running then;
	// no other one follows. It must not block.
	Closed(reason Reason)
}

// Admission is what a request of a session may do.
type Admission uint8

const (
	// Refused is answered as if the session did not exist.
	Refused Admission = iota
	// Admitted is a request of the client, as it is now.
	Admitted
	// Outdated is a request of the client that left before its identity changed. A
	// poll is answered within a moment, so that the next one brings the new identity.
	Outdated
	// Withheld is Outdated, and a poll gets no messages: what is queued may be
	// addressed to the new identity. A WebSocket, which would get them, is refused.
	Withheld
)

// Options configures an Engine. All fields but Logger and Warn must be set, and are
// trusted: whoever takes them from a user checks them.
type Options struct {
	PingInterval   time.Duration
	PingTimeout    time.Duration // also how long a write may go without progress
	UpgradeTimeout time.Duration
	MaxPayload     int // bytes in one message, or in one polling request
	MaxQueue       int // bytes waiting for one client, at most 1 GiB
	MaxQueuedTotal int // bytes waiting for all clients together; 0: no limit
	MaxInbound     int // bytes of one client waiting for handlers, see Session.Hold
	MaxSessions    int // at a time; 0: no limit
	Transports     []Transport
	Origins        Origins

	// Subprotocol chooses the subprotocol of a WebSocket among those that the client
	// offers, of which there is at least one; "": none. It must not panic. Nil: the
	// first.
	Subprotocol func(r *http.Request, offered []string) string

	// Aside answers requests that are not of the protocol and reports whether it has.
	// It is called for those without a transport, when their origin was admitted. It
	// may be nil.
	Aside func(w http.ResponseWriter, r *http.Request) bool

	// Open makes the Handler of a new session. It runs before the handshake is
	// answered and must not keep r. The header, which may be nil, is added to the
	// answer. An error refuses the handshake: ErrClosed with 503, a Refusal as it
	// says, any other with 403.
	Open func(s *Session, r *http.Request) (h Handler, header http.Header, err error)

	Logger *slog.Logger
	Warn   *warn.Log // for lines that strangers can cause; nil: one that writes to Logger
}

// Refusal is an error of Options.Open.
type Refusal struct {
	Status int
	Cause  Cause  // for Stats and the log
	Text   string // for strangers
	Help   string // for the log: which option decides it
}

func (r *Refusal) Error() string { return string(r.Cause) }

var errFull = &Refusal{
	http.StatusServiceUnavailable, CauseFull, "Too many connections",
	"Options.Limits.MaxConns is the number of connections that this Server takes",
}

// Engine is an http.Handler that speaks Engine.IO under whatever path it is
// mounted. It is safe for concurrent use.
type Engine struct {
	opts Options

	greetings map[Transport]string // what follows the sid in the open packet

	start time.Time // now is measured from here, on the monotonic clock
	beats *wheel
	flush flushList
	loops *eventLoops
	large chan struct{} // has room for the large messages that are handled at a time

	resting chan struct{} // has room for the clients that rest at a time

	counters  counters
	unknown   rush        // requests for sessions that do not exist
	relieving atomic.Bool // a goroutine makes room, see relieve

	mu       sync.RWMutex // guards what follows
	sessions map[string]*Session
	opening  int // sessions that are not in the table yet
	links    map[*link]struct{}
	closing  bool          // no session is opened any more
	cut      bool          // nor any WebSocket
	idle     chan struct{} // closed when a closing engine has nothing left
}

// New returns an Engine. It starts no goroutine and needs no Close while it has
// no session.
func New(opts Options) *Engine {
	if opts.Warn == nil {
		opts.Warn = warn.New(opts.Logger)
	}
	e := &Engine{
		opts:     opts,
		start:    time.Now(),
		loops:    newEventLoops(),
		large:    make(chan struct{}, (runtime.GOMAXPROCS(0)+1)/2),
		resting:  make(chan struct{}, (runtime.GOMAXPROCS(0)+1)/2),
		sessions: make(map[string]*Session),
		links:    make(map[*link]struct{}),
		idle:     make(chan struct{}),
	}
	e.greetings = map[Transport]string{Polling: e.greeting(Polling), WebSocket: e.greeting(WebSocket)}
	e.beats = newWheel(wheelTick(opts.PingInterval, opts.PingTimeout), e.start, e.beat)
	return e
}

// now is the time since the engine was made.
func (e *Engine) now() time.Duration { return time.Since(e.start) }

// moment is now in milliseconds, never 0. It begins anew after 49 days.
func (e *Engine) moment() uint32 { return uint32(e.now()/time.Millisecond) | 1 }

func (e *Engine) serves(t Transport) bool { return slices.Contains(e.opts.Transports, t) }

// greeting is what the open packet tells the client of a transport, behind its sid.
// https://github.com/socketio/engine.io-protocol#handshake
func (e *Engine) greeting(t Transport) string {
	data := struct {
		SID          string      `json:"sid"`
		Upgrades     []Transport `json:"upgrades"`
		PingInterval int64       `json:"pingInterval"`
		PingTimeout  int64       `json:"pingTimeout"`
		MaxPayload   int         `json:"maxPayload"`
	}{
		Upgrades:     []Transport{},
		PingInterval: e.opts.PingInterval.Milliseconds(),
		PingTimeout:  e.opts.PingTimeout.Milliseconds(),
		MaxPayload:   e.opts.MaxPayload,
	}
	if t == Polling && e.serves(WebSocket) {
		data.Upgrades = append(data.Upgrades, WebSocket)
	}
	text, _ := json.Marshal(data) // cannot fail
	return strings.TrimPrefix(string(text), `{"sid":"`)
}

// open makes a session and its handler and enters it in the table of sessions.
// The open packet is the first in its queue, whatever the handler sends. The header
// is for the answer.
func (e *Engine) open(r *http.Request, t Transport) (*Session, http.Header, error) {
	s := &Session{engine: e, id: rand.Text()}
	greeting := control(string(packetOpen), `{"sid":"`, s.id, e.greetings[t])
	s.queue.push(greeting)
	s.queued, s.since = int32(greeting.Size()), e.moment()

	if err := e.reserve(); err != nil {
		return nil, nil, err
	}
	h, header, closing, err := e.askToOpen(s, r)
	switch {
	case err != nil:
		return nil, nil, err
	case closing:
		s.Close(ServerShutdown)
	}
	e.account(greeting.Size())
	e.counters.open()
	if err := s.start(h); err != nil {
		s.mu.Lock()
		dropped := s.dropQueueLocked()
		s.mu.Unlock()
		e.account(-dropped)
		e.forget(s)
		return nil, nil, err
	}
	return s, header, nil
}

// askToOpen takes the place that reserve has kept, or gives it back, also when
// Options.Open panics.
func (e *Engine) askToOpen(s *Session, r *http.Request) (h Handler, header http.Header, closing bool, err error) {
	opened := false
	defer func() { closing = e.enter(s, opened) }()
	h, header, err = e.opts.Open(s, r)
	opened = err == nil
	return h, header, closing, err
}

// reserve keeps a place in the table for a session to come. It returns ErrClosed
// after Shutdown, so that nobody is asked about a session that cannot be, and
// errFull if there is no place.
func (e *Engine) reserve() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch most := e.opts.MaxSessions; {
	case e.closing:
		return ErrClosed
	case most > 0 && len(e.sessions)+e.opening >= most:
		return errFull
	}
	e.opening++
	return nil
}

// enter takes the place for s, or gives it back, and reports whether it is too late
// for new sessions.
func (e *Engine) enter(s *Session, opened bool) (closing bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opening--
	if opened && !e.closing {
		e.sessions[s.id] = s
	}
	return e.closing
}

func (e *Engine) session(id string) *Session {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.sessions[id]
}

func (e *Engine) forget(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s.id)
	e.checkIdle()
}

// addLink enters a WebSocket that was just taken over. After Close it is too late
// for that.
func (e *Engine) addLink(l *link) {
	e.mu.Lock()
	e.links[l] = struct{}{}
	late := e.cut
	e.mu.Unlock()
	if late {
		l.cut()
	}
}

func (e *Engine) forgetLink(l *link) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.links, l)
	e.checkIdle()
}

// checkIdle needs e.mu.
func (e *Engine) checkIdle() {
	if e.closing && len(e.sessions) == 0 && len(e.links) == 0 {
		select {
		case <-e.idle:
		default:
			close(e.idle)
		}
	}
}

// Shutdown refuses new sessions and closes the live ones, telling each client,
// and returns when all have gone and their handlers know it or, with ctx's error,
// when ctx ends.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closing = true
	live := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		live = append(live, s)
	}
	e.checkIdle()
	e.mu.Unlock()
	e.closeInBatches(ctx, live)
	select { // with nothing to wait for it does not matter that ctx has ended
	case <-e.idle:
		return nil
	default:
	}
	select {
	case <-e.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Clients that are closed come back, perhaps to a process beside this one, so they
// are sent away a batch at a time.
const (
	closeBatch = 1000
	closePause = 100 * time.Millisecond
)

// closeInBatches closes sessions, in half the time that ctx leaves at most.
func (e *Engine) closeInBatches(ctx context.Context, live []*Session) {
	pause := closePause
	if by, limited := ctx.Deadline(); limited {
		pause = min(pause, time.Until(by)/2*closeBatch/time.Duration(len(live)+1))
	}
	for batch := range slices.Chunk(live, closeBatch) {
		for _, s := range batch {
			s.Close(ServerShutdown)
		}
		if len(batch) < closeBatch || pause <= 0 || ctx.Err() != nil {
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// Live is the number of sessions that have not gone yet, those included that are
// over for their handler while their client is still being told.
func (e *Engine) Live() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	n := len(e.sessions)
	for l := range e.links {
		if e.sessions[l.session.id] == nil {
			n++
		}
	}
	return n
}

// Close ends everything at once, without waiting for clients to take leave.
func (e *Engine) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = e.Shutdown(ctx) // tells whom it can without waiting
	e.mu.Lock()
	e.cut = true
	sessions := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		sessions = append(sessions, s)
	}
	links := make([]*link, 0, len(e.links))
	for l := range e.links {
		links = append(links, l)
	}
	e.mu.Unlock()
	for _, s := range sessions {
		s.stopWaiting()
	}
	for _, l := range links {
		l.cutUnlessAwaited()
	}
}
