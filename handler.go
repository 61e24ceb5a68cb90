package mojo

import (
	"fmt"
	"reflect"

	"github.com/mojosocket/mojo/internal/parser"
	"github.com/mojosocket/mojo/internal/socketio"
)

// SocketHandler is an app: it is told what happens on the connections of one
// Channel. For one Conn the calls never overlap, come in order and have a lane of
// their own, so that a slow one delays no other client; for different Conns they run
// at the same time. (Only when Options.Limits.MaxInbound bytes of one client wait for
// handlers is nothing more read from that client.) A panic is logged and costs the connection it happened on.
//
// More abilities are further interfaces, which a SocketHandler may also implement:
// see EmitObserver. Events is a ready SocketHandler that routes by event name.
type SocketHandler interface {
	// OnConnect decides whether a client may connect. Until it returns nil nothing
	// reaches the client, and the Conn is in no index; it may emit, join and set
	// values, and what it emits arrives after the client's connect event. An error
	// refuses the client, which sees it if it is a ClientError and "internal error"
	// otherwise.
	OnConnect(c *Conn) error
	// OnMessage takes every event, "message" (socket.send) among them.
	OnMessage(c *Conn, m *Message)
	// OnDisconnect is called once, last, if and only if OnConnect returned nil. The
	// Conn is in no index any more.
	OnDisconnect(c *Conn, reason Reason)
}

// EmitObserver may be implemented by a SocketHandler that wants to see what is
// sent to its connections. OnEmit is called for each event, broadcasts included,
// before it is queued for any. The caller of Emit waits for it. It must not change the
// arguments. After a LogIn it is also called for what is held for a Conn
// that has not proven yet that it belongs to the user. A panic costs the connection that OnEmit was called for.
type EmitObserver interface {
	OnEmit(c *Conn, event string, args []any)
}

// checkObservers returns an error for a handler that has a method with the name of
// an observer's and does not implement the observer, so that the method would never
// be called: because of its signature, or because its receiver is a pointer and the
// handler is not.
func checkObservers(h SocketHandler) error {
	_, emits := h.(EmitObserver)
	_, identities := h.(IdentityObserver)
	_, presences := h.(PresenceObserver)
	v := reflect.ValueOf(h)
	if v.Kind() != reflect.Pointer {
		v = reflect.New(v.Type())
	}
	// The names are constants in these calls, so that linkers can still drop the
	// methods of other types that are never called.
	for _, o := range []struct {
		name        string
		method      reflect.Value
		implemented bool
		want        reflect.Type
	}{
		{"OnEmit", v.MethodByName("OnEmit"), emits, reflect.TypeFor[func(*Conn, string, []any)]()},
		{"OnIdentity", v.MethodByName("OnIdentity"), identities, reflect.TypeFor[func(*Conn, Identity, Identity) error]()},
		{"OnPresence", v.MethodByName("OnPresence"), presences, reflect.TypeFor[func(*Channel, Presence)]()},
	} {
		switch {
		case o.implemented || !o.method.IsValid():
		case o.method.Type() == o.want:
			return fmt.Errorf("mojo: %s of the handler %T has a pointer receiver and would not be called; register a pointer", o.name, h)
		default:
			return fmt.Errorf("mojo: %s of the handler %T is a %v and would not be called; want %v", o.name, h, o.method.Type(), o.want)
		}
	}
	return nil
}

// Reason says why a connection ended. Both sides read the same words where
// Socket.IO has any: https://socket.io/docs/v4/server-api/#event-disconnect.
type Reason string

// The reasons. After those that close the transport, clients come back by
// themselves.
const (
	ReasonClientDisconnect Reason = "client namespace disconnect"    // the client left this namespace
	ReasonServerDisconnect Reason = "server namespace disconnect"    // Conn.Disconnect or Session.Disconnect
	ReasonTransportClose   Reason = "transport close"                // the page was closed, or the network is gone
	ReasonTransportError   Reason = "transport error"                // reading or writing failed
	ReasonForcedClose      Reason = "forced server close"            // nobody connected to an app within Options.Timeouts.ConnectTimeout
	ReasonPingTimeout      Reason = "ping timeout"                   // no sign of life within Options.Timeouts.PingTimeout
	ReasonParseError       Reason = "parse error"                    // the client broke the protocol
	ReasonShutdown         Reason = "server shutting down"           // Server.Shutdown or Close
	ReasonQueueOverflow    Reason = "send queue overflow"            // more than Options.Limits.MaxQueue would have waited for the client
	ReasonTotalOverflow    Reason = "total send queue overflow"      // more than Options.Limits.MaxQueuedTotal waited for all clients, and this one was furthest behind
	ReasonWriteTimeout     Reason = "write timeout"                  // a write made no progress
	ReasonHandlerStall     Reason = "handler stall"                  // handlers did not catch up, see Options.Limits.MaxInbound
	ReasonRateLimit        Reason = "rate limit"                     // more than Options.Limits.MaxRate messages in a second
	ReasonHandlerPanic     Reason = "handler panic"                  // a callback panicked
	ReasonIdentityChanged  Reason = "identity changed"               // of a browser that has to come again with its new cookies
	ReasonRevoked          Reason = "session revoked"                // Session.Revoke, unless it was given another reason
	ReasonExpired          Reason = "session expired"                // the cookies have expired
	ReasonInvalid          Reason = "session no longer valid"        // Options.Revalidation.Check
	ReasonIdentityRefused  Reason = "identity refused"               // OnIdentity returned an error
	ReasonReplaced         Reason = "replaced by a newer connection" // Options.Limits.ConnPolicy is CloseOldest
)

// ClientError is an error that the client is meant to see: returned by OnConnect
// it becomes the message and data of the client's connect_error, returned by a
// function of Events the answer to a call. It may be wrapped. Other errors never
// reach a client.
type ClientError struct {
	Message string // what the client reads
	Data    any    // a value for encoding/json; left out if nil
}

// Error returns the message.
func (e ClientError) Error() string { return e.Message }

// Binary is sent as binary wherever it stands in an argument: in a struct, a
// slice, a map. Of incoming messages it takes binary as []byte does. A nil Binary
// is null.
type Binary = parser.Binary

// Message is an event from a client, or the answer to Conn.EmitWithAck. It owns
// its bytes and may outlive OnMessage. Its methods are safe for concurrent use.
type Message struct {
	name  string
	args  parser.Args
	event *socketio.Event // nil for an answer
}

// Event is the name of the event, "message" for socket.send and "" for an answer.
// A client may use a number, which reads as its decimal text.
func (m *Message) Event() string { return m.name }

// Len is the number of arguments.
func (m *Message) Len() int { return m.args.Len() }

// Decode decodes the first len(dst) arguments, each into a pointer as
// encoding/json does. Binary decodes into Binary and []byte at any depth, and into
// an interface as []byte. It returns an error if there are fewer arguments, or one
// does not fit; those before it are decoded then.
func (m *Message) Decode(dst ...any) error {
	if len(dst) > m.Len() {
		return fmt.Errorf("mojo: %s has %d arguments; want at least %d", m.subject(), m.Len(), len(dst))
	}
	for i := range dst {
		if err := m.args.Decode(i, dst[i]); err != nil {
			return m.decodeError(i, dst[i], err)
		}
	}
	return nil
}

func (m *Message) decodeError(i int, dst any, err error) error {
	return fmt.Errorf("mojo: %s, argument %d into %T: %w", m.subject(), i+1, dst, err)
}

func (m *Message) subject() string {
	if m.event == nil {
		return "the answer"
	}
	return fmt.Sprintf("event %q", m.name)
}

// WantsAck reports whether the client waits for an answer.
func (m *Message) WantsAck() bool { return m.event != nil && m.event.WantsAck() }

// Ack answers the message, once; after that it returns ErrAlreadyAcked. Without
// WantsAck it does nothing and returns nil. It returns ErrNotConnected after the
// end of the connection, and the errors of Conn.Emit for arguments that cannot be
// sent.
func (m *Message) Ack(args ...any) error {
	if m.event == nil {
		return nil
	}
	return edge(m.event.Ack(args))
}
