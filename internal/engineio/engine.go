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
	// The fields above mu do not change after New, or are safe for concurrent
	// use.

	opts Options

	openPacketTails map[Transport]string // the text behind the sid in the open packet

	start      time.Time // the zero of the engine's clock, see now
	heartbeats *timingwheel.Wheel[Session]
	flush      flushList
	loops      *eventLoops

	largeSlots chan struct{} // its capacity is the number of large messages that are handled at a time
	pauseSlots chan struct{} // its capacity is the number of readers that pause at a time

	counters        counters
	unknownSessions eventRate   // requests for sessions that do not exist
	shrinking       atomic.Bool // a goroutine runs shrinkTotal

	mu sync.RWMutex
	engineMu
}

// engineMu has the fields of an Engine that its mu guards.
type engineMu struct {
	sessions map[string]*Session
	opening  int // sessions that are not in the map yet
	links    map[*link]struct{}
	closing  bool          // Shutdown was called: new sessions are refused
	killing  bool          // Close was called: new WebSockets are closed
	idle     chan struct{} // closed after Shutdown, when there are no sessions and links
}

// New returns an Engine. While it has no session it has no goroutine, and needs
// no Close.
func New(opts Options) *Engine {
	if opts.Warn == nil {
		opts.Warn = warn.New(opts.Logger)
	}
	e := &Engine{
		opts:       opts,
		start:      time.Now(),
		loops:      newEventLoops(),
		largeSlots: make(chan struct{}, (runtime.GOMAXPROCS(0)+1)/2),
		pauseSlots: make(chan struct{}, (runtime.GOMAXPROCS(0)+1)/2),
		engineMu: engineMu{
			sessions: make(map[string]*Session),
			links:    make(map[*link]struct{}),
			idle:     make(chan struct{}),
		},
	}
	e.openPacketTails = map[Transport]string{Polling: e.openPacketTail(Polling), WebSocket: e.openPacketTail(WebSocket)}
	e.heartbeats = e.newWheel(timingwheel.TickFor(opts.PingInterval + opts.PingTimeout))
	return e
}

func (e *Engine) newWheel(tick time.Duration) *timingwheel.Wheel[Session] {
	entry := func(s *Session) *timingwheel.Entry[Session] { return &s.heartbeat }
	return timingwheel.New(tick, e.now, entry, e.handleDeadlines)
}

// now returns the time on the engine's clock: the time since the engine was
// made, by the monotonic clock. If the engine is used in a bubble of
// testing/synctest but was made outside of it, the clock of the bubble is
// behind, and now returns 0.
func (e *Engine) now() time.Duration { return max(time.Since(e.start), 0) }

// moment returns now in milliseconds, but never 0. It overflows after 49 days.
func (e *Engine) nowMillis() uint32 { return uint32(e.now()/time.Millisecond) | 1 }

func (e *Engine) serves(t Transport) bool { return slices.Contains(e.opts.Transports, t) }

// openPacketTail returns the text of the open packet behind the sid.
// https://github.com/socketio/engine.io-protocol#handshake
func (e *Engine) openPacketTail(t Transport) string {
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

// open makes a session and its handler, and adds the session to the map of
// sessions. The open packet is the first in its queue, before the messages of
// the handler. The header is for the answer.
func (e *Engine) open(r *http.Request, t Transport, revision codec.Revision) (*Session, http.Header, error) {
	s := &Session{engine: e, id: e.opts.IDPrefix + rand.Text()}
	s.revision = revision
	openPacket := codec.NewPacket(string(codec.TypeOpen), `{"sid":"`, s.id, e.openPacketTails[t])
	s.queue.push(openPacket)
	s.queued, s.progressAt = int32(openPacket.Size()), e.nowMillis()

	if err := e.reserve(); err != nil {
		return nil, nil, err
	}
	h, header, closing, err := e.callOpen(s, r)
	switch {
	case err != nil:
		return nil, nil, err
	case closing:
		s.Close(ServerShutdown)
	}
	e.account(openPacket.Size())
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

// callOpen calls Options.Open. Then it adds the session to the map, or frees
// the place that reserve has reserved, also when Options.Open panics.
func (e *Engine) callOpen(s *Session, r *http.Request) (h Handler, header http.Header, closing bool, err error) {
	opened := false
	defer func() { closing = e.enter(s, opened) }()
	h, header, err = e.opts.Open(s, r)
	opened = err == nil
	return h, header, closing, err
}

// reserve reserves a place in the map for a new session. It returns ErrClosed
// after Shutdown, so that Options.Open is not called for nothing, and errFull
// if there is no place.
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

// enter adds s to the map in its reserved place, or frees the place. It reports
// whether the engine is closing.
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

// addLink adds a new link to the map of links. After Close it kills the link.
func (e *Engine) addLink(l *link) {
	e.mu.Lock()
	e.links[l] = struct{}{}
	kill := e.killing
	e.mu.Unlock()
	if kill {
		l.kill()
	}
}

func (e *Engine) forgetLink(l *link) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.links, l)
	e.checkIdleLocked()
}

// checkIdleLocked makes Shutdown return when there are no sessions and links.
// e.mu must be held.
func (e *Engine) checkIdleLocked() {
	if e.closing && len(e.sessions) == 0 && len(e.links) == 0 {
		select {
		case <-e.idle:
		default:
			close(e.idle)
		}
	}
}

// account adds n, which may be negative, to the queued bytes of all clients.
// Above Options.MaxQueuedTotal it starts to close clients.
func (e *Engine) account(n int) {
	if n == 0 {
		return
	}
	total := e.counters.queued.Add(int64(n))
	if limit := e.opts.MaxQueuedTotal; n > 0 && limit > 0 && total > int64(limit) {
		e.startShrinking()
	}
}
