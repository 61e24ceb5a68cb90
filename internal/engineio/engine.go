package engineio

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/engineio/timingwheel"
	"github.com/mojosocket/mojo/internal/warn"
)

// Engine is an http.Handler that speaks Engine.IO under the path at which it is
// mounted. It is safe for concurrent use.
type Engine struct {
	opts Options

	greetings map[Transport]string // the text behind the sid in the open packet

	start      time.Time // the beginning of the engine's clock, see now
	heartbeats *timingwheel.Wheel[Session]
	flush      flushList
	loops      *eventLoops

	large   chan struct{} // has room for as many large messages as are handled at a time
	resting chan struct{} // has room for as many clients as rest at a time

	counters  counters
	unknown   rush        // requests for sessions that do not exist
	relieving atomic.Bool // a goroutine makes room, see relieve

	mu sync.RWMutex
	engineMu
}

// engineMu has the fields of an Engine that its mu guards.
type engineMu struct {
	sessions map[string]*Session
	opening  int // sessions that are not in the table yet
	links    map[*link]struct{}
	closing  bool          // no session is opened any more
	killing  bool          // no WebSocket is kept any more
	idle     chan struct{} // closed when a closing engine has neither sessions nor links
}

// New returns an Engine. While it has no session it has no goroutine, and needs
// no Close.
func New(opts Options) *Engine {
	if opts.Warn == nil {
		opts.Warn = warn.New(opts.Logger)
	}
	e := &Engine{
		opts:    opts,
		start:   time.Now(),
		loops:   newEventLoops(),
		large:   make(chan struct{}, (runtime.GOMAXPROCS(0)+1)/2),
		resting: make(chan struct{}, (runtime.GOMAXPROCS(0)+1)/2),
		engineMu: engineMu{
			sessions: make(map[string]*Session),
			links:    make(map[*link]struct{}),
			idle:     make(chan struct{}),
		},
	}
	e.greetings = map[Transport]string{Polling: e.greeting(Polling), WebSocket: e.greeting(WebSocket)}
	e.heartbeats = e.newWheel(timingwheel.TickFor(opts.PingInterval + opts.PingTimeout))
	return e
}

func (e *Engine) newWheel(tick time.Duration) *timingwheel.Wheel[Session] {
	entry := func(s *Session) *timingwheel.Entry[Session] { return &s.heartbeat }
	return timingwheel.New(tick, e.now, entry, e.beat)
}

// now returns the time on the engine's clock: since the engine was made, on the
// monotonic clock. It stands still in a bubble of testing/synctest that the
// engine was not made in, whose clock begins before.
func (e *Engine) now() time.Duration { return max(time.Since(e.start), 0) }

// moment returns now in milliseconds, but never 0. It overflows after 49 days.
func (e *Engine) moment() uint32 { return uint32(e.now()/time.Millisecond) | 1 }

func (e *Engine) serves(t Transport) bool { return slices.Contains(e.opts.Transports, t) }

// greeting returns the text of the open packet behind the sid.
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
// The open packet is the first in its queue, before the messages of the
// handler. The header is for the answer.
func (e *Engine) open(r *http.Request, t Transport) (*Session, http.Header, error) {
	s := &Session{engine: e, id: rand.Text()}
	greeting := codec.NewPacket(string(codec.TypeOpen), `{"sid":"`, s.id, e.greetings[t])
	s.queue.push(greeting)
	s.queued, s.progressAt = int32(greeting.Size()), e.moment()

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

// askToOpen calls Options.Open. Then it uses the place in the table that
// reserve has kept, or gives it back, also when Options.Open panics.
func (e *Engine) askToOpen(s *Session, r *http.Request) (h Handler, header http.Header, closing bool, err error) {
	opened := false
	defer func() { closing = e.enter(s, opened) }()
	h, header, err = e.opts.Open(s, r)
	opened = err == nil
	return h, header, closing, err
}

// reserve keeps a place in the table for a new session. It returns ErrClosed
// after Shutdown, so that Options.Open is not called in vain, and errFull if
// there is no place.
func (e *Engine) reserve() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch limit := e.opts.MaxSessions; {
	case e.closing:
		return ErrClosed
	case limit > 0 && len(e.sessions)+e.opening >= limit:
		return errFull
	}
	e.opening++
	return nil
}

// enter uses the reserved place for s, or gives it back. It reports whether the
// engine is closing.
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
	e.checkIdleLocked()
}

// addLink enters a new link in the table of links. After Close it kills the
// link.
func (e *Engine) addLink(l *link) {
	e.mu.Lock()
	e.links[l] = struct{}{}
	late := e.killing
	e.mu.Unlock()
	if late {
		l.kill()
	}
}

func (e *Engine) forgetLink(l *link) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.links, l)
	e.checkIdleLocked()
}

// checkIdleLocked lets Shutdown return when nothing is left. e.mu must be held.
func (e *Engine) checkIdleLocked() {
	if e.closing && len(e.sessions) == 0 && len(e.links) == 0 {
		select {
		case <-e.idle:
		default:
			close(e.idle)
		}
	}
}

// account adds n bytes, which may be negative, to the total of all queues.
func (e *Engine) account(n int) {
	if n == 0 {
		return
	}
	total := e.counters.queued.Add(int64(n))
	if limit := e.opts.MaxQueuedTotal; n > 0 && limit > 0 && total > int64(limit) {
		e.relieve()
	}
}
