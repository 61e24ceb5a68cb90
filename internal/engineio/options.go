package engineio

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/origin"
	"github.com/mojosocket/mojo/internal/warn"
)

// Transport is the name of a transport, as in the query parameter "transport".
type Transport string

// The transports that this engine speaks.
const (
	Polling   Transport = "polling"
	WebSocket Transport = "websocket"
)

// Reason says why a session ended. Where Socket.IO has a text for a reason, it
// is the same.
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

// ErrClosed is the error of Session.Send after the end of the session. If
// Options.Open returns it, the handshake is answered with 503.
var ErrClosed = errors.New("engine.io: closed")

// ErrQueueFull is the error of Session.Send for a message that does not fit
// into Options.MaxQueue. The message closes the session.
var ErrQueueFull = errors.New("send queue full")

// ErrBehind is the error of Session.Queue for a volatile message that was
// dropped.
var ErrBehind = errors.New("the client is behind")

// Handler handles the events of one session.
type Handler interface {
	// Admits says what a request that names the session may do. It is called
	// for every request after the handshake.
	Admits(r *http.Request) Admission
	// Opened is called when the session has its transport, before the first
	// Message. The session may have ended by then. It must not block.
	Opened()
	// Message handles one message. Calls never overlap. The data is valid until
	// Message returns, and may be modified. Message must not wait for user
	// code, because its goroutine reads for many sessions. An error ends the
	// session with ParseError.
	Message(data []byte, binary bool) error
	// Lapsed is called at the time that was given to Session.LapseAt. It must
	// not block.
	Lapsed()
	// Closed is called once, when the session ends. A call of Message that has
	// begun may still be running; no other call follows. Closed must not block.
	Closed(reason Reason)
}

// Admission is what a request of a session may do.
type Admission uint8

const (
	// Refused is answered as if the session did not exist.
	Refused Admission = iota
	// Admitted is a request of the client, with its present identity.
	Admitted
	// Outdated is a request that the client sent before its identity changed. A
	// poll is answered after noopDelay, so that the next poll has the new
	// identity.
	Outdated
	// Withheld is Outdated, and a poll gets no messages, because they may be
	// addressed to the new identity. A WebSocket, which would get them, is
	// refused.
	Withheld
)

// Options configures an Engine. The fields are not checked. A field must be set
// unless its comment says what its zero value means. Logger or Warn must be
// set.
type Options struct {
	PingInterval   time.Duration
	PingTimeout    time.Duration // also the time that a write may take without progress
	UpgradeTimeout time.Duration
	MaxPayload     int    // bytes in one message, or in one polling request
	MaxQueue       int    // bytes queued for one client, at most 1 GiB
	MaxQueuedTotal int    // bytes queued for all clients together; 0: no limit
	MaxInbound     int    // bytes of one client's messages that wait for handlers, see Session.Hold
	MaxSessions    int    // sessions at a time; 0: no limit
	IDPrefix       string // of the ids of all sessions; may be empty
	Transports     []Transport
	Origins        origin.Policy
	AllowEIO3      bool // serve clients of revision 3, too

	// Subprotocol chooses the subprotocol of a WebSocket: one of those that the
	// client offers, or "" for none. It is called if the client offers at least
	// one. It must not panic. If it is nil, the first is chosen.
	Subprotocol func(r *http.Request, offered []string) string

	// ServeOther answers requests that do not belong to the protocol, and
	// reports whether it has answered. It is called for requests without a
	// transport whose origin is admitted. It may be nil.
	ServeOther func(w http.ResponseWriter, r *http.Request) bool

	// ServeScript answers requests for the files of the client, and reports
	// whether it has answered. If it is nil, there are none.
	ServeScript func(w http.ResponseWriter, r *http.Request) bool

	// Open returns the Handler of a new session. It runs before the handshake
	// is answered and must not keep r. The header, which may be nil, is added
	// to the answer. An error refuses the handshake: ErrClosed with 503, a
	// Refusal with its Status, any other with 403.
	Open func(s *Session, r *http.Request) (h Handler, header http.Header, err error)

	Logger *slog.Logger
	Warn   *warn.Log // for lines that any client can cause; nil: a warn.Log that uses Logger
}

// Refusal is an error of Options.Open.
type Refusal struct {
	Status int
	Cause  Cause  // for Stats and the log
	Text   string // for the client
	Help   string // for the log: the option that decides about it
}

func (r *Refusal) Error() string { return string(r.Cause) }

var errFull = &Refusal{
	http.StatusServiceUnavailable, CauseFull, "Too many connections",
	"Options.Limits.MaxConns is the number of connections that this Server takes",
}
