package mojo

import (
	"context"
	"fmt"
	"sync"

	"github.com/mojosocket/mojo/internal/socketio"
)

// Conn is one client on one app: a tab that has connected to the app's namespace.
// Its methods are safe for concurrent use and, but for EmitWithAck, never block. A
// Conn may be kept after its end; what it sends then returns ErrNotConnected.
type Conn struct {
	socket  *socketio.Socket
	channel *Channel

	mu     sync.Mutex // guards what follows
	auth   []byte
	values map[any]any
}

// settle lets go of what only OnConnect may need.
func (c *Conn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.auth) > c.channel.server.opts.Limits.MaxHandshake {
		c.auth = nil
	}
}

// ID is the id of the connection, which its client knows as socket.id. It is
// random and not a secret.
func (c *Conn) ID() string { return c.socket.ID() }

// Channel is the app's channel.
func (c *Conn) Channel() *Channel { return c.channel }

// Identity is whom the connection belongs to now. Server.LogIn, LogOut and Rebind
// change it, see IdentityObserver.
func (c *Conn) Identity() Identity { return identityOf(c.socket.Identity()) }

// SessionID is the id of the browser session, "" if there is none.
func (c *Conn) SessionID() string { return c.Identity().SessionID }

// UserID is the id of the logged-in user, "" if nobody is logged in.
func (c *Conn) UserID() string { return c.Identity().UserID }

// Handshake is what the client said of itself when it connected.
func (c *Conn) Handshake() Handshake {
	c.mu.Lock()
	auth := c.auth
	c.mu.Unlock()
	return c.handshake().public(auth)
}

func (c *Conn) handshake() *handshake { return c.socket.Handshake().(*handshake) }

// Transport is the transport in use at the moment: a connection begins with
// Polling and is upgraded to a WebSocket, unless the options say otherwise.
func (c *Conn) Transport() Transport { return Transport(c.socket.Transport()) }

// Context ends with the connection. It is made on first use.
func (c *Conn) Context() context.Context { return c.socket.Context() }

// Emit sends an event to the client. It never blocks: it returns nil when the event
// is queued. In OnConnect it is queued for when that has returned nil. Package
// documentation says what arguments can be.
//
// It returns ErrNotConnected after the end, and ErrServerClosed after Shutdown. If
// an argument cannot be encoded, and for ErrReservedEvent, ErrTooManyAttachments
// and ErrTooLarge, nothing is sent. A client for which more than Options.Limits.MaxQueue
// bytes would wait is closed: then it returns ErrQueueFull, and ErrNotConnected from
// there on. It keeps no reference to the arguments.
func (c *Conn) Emit(event string, args ...any) error {
	return c.emit(event, args, socketio.Delivery{})
}

func (c *Conn) emit(event string, args []any, d socketio.Delivery) error {
	return wrapError(c.socket.Emit(event, args, d))
}

// Volatile addresses this connection unless it is behind, see Broadcast.Volatile.
func (c *Conn) Volatile() Broadcast { return c.only().Volatile() }

// Latest addresses this connection, with events that replace each other, see
// Broadcast.Latest.
func (c *Conn) Latest(key string) Broadcast { return c.only().Latest(key) }

func (c *Conn) only() Broadcast { return Broadcast{view: c.channel.view(), conn: c} }

// Broadcast addresses everybody else on the Channel, as socket.broadcast does in
// JavaScript.
func (c *Conn) Broadcast() Broadcast { return c.channel.Without(c) }

// To addresses everybody else in any of the rooms, as socket.to does in JavaScript.
// Channel.To includes this connection.
func (c *Conn) To(rooms ...string) Broadcast { return c.Broadcast().To(rooms...) }

// Except addresses everybody else who is in none of the rooms.
func (c *Conn) Except(rooms ...string) Broadcast { return c.Broadcast().Except(rooms...) }

// Send emits the "message" event, as socket.send does in the client.
func (c *Conn) Send(args ...any) error { return c.Emit("message", args...) }

// EmitWithAck sends an event and waits for the client's answer, a Message whose
// arguments are what the client passed to its callback. It returns an error that is
// ctx's when ctx ends first, context.DeadlineExceeded after Options.Timeouts.AckTimeout if ctx
// has no deadline, ErrTooManyAcks, and ErrNotConnected when the connection ends first
// and at once in OnConnect; otherwise it has the errors of Emit. It may be called in
// OnMessage: answers do not wait for the handler.
func (c *Conn) EmitWithAck(ctx context.Context, event string, args ...any) (*Message, error) {
	answer, err := c.socket.EmitWithAck(ctx, event, args)
	if err != nil {
		return nil, wrapError(err)
	}
	return &Message{args: answer}, nil
}

// Call is Conn.EmitWithAck with the answer's argument decoded into an Out; without an
// argument it is the zero value. An answer that does not decode, or has more
// arguments, is an error.
func Call[Out any](ctx context.Context, c *Conn, event string, args ...any) (Out, error) {
	var out Out
	m, err := c.EmitWithAck(ctx, event, args...)
	switch {
	case err != nil || m.Len() == 0:
		return out, err
	case m.Len() > 1:
		return out, fmt.Errorf("mojo: the answer to event %q has %d arguments; want one, or use EmitWithAck", event, m.Len())
	}
	return out, m.Decode(&out)
}

// Join puts the connection into rooms of its Channel; it leaves them when it ends.
// From then on it gets what is sent to them; in OnConnect that arrives after the
// client's connect event. It returns ErrNotConnected after the end, ErrTooManyRooms
// and ErrRoomName; then it has joined none of them.
func (c *Conn) Join(rooms ...string) error { return wrapError(c.socket.Join(rooms...)) }

// Leave takes the connection out of rooms.
func (c *Conn) Leave(rooms ...string) { c.socket.Leave(rooms...) }

// Rooms returns the rooms the connection is in, sorted.
func (c *Conn) Rooms() []string { return c.socket.Rooms() }

// Set keeps a value with the connection under a key, as context.WithValue does:
// keys should have a type of their own.
func (c *Conn) Set(key, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values == nil {
		c.values = make(map[any]any)
	}
	c.values[key] = value
}

// Get returns what Set has kept under the key, nil if nothing.
func (c *Conn) Get(key any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values[key]
}

// Disconnect disconnects the client from this app: what was emitted before still
// arrives, the client's disconnect event has the reason "io server disconnect", and
// the client does not come back by itself. Its other apps stay. It returns
// ErrNotConnected if the connection has ended. In OnConnect it takes effect when
// that has returned nil.
func (c *Conn) Disconnect() error { return wrapError(c.socket.Disconnect()) }
