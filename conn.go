package mojo

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"sync"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/socketio"
)

// Conn is one client on one app: a browser tab, for instance, that has
// connected to the app's namespace. A Server makes it and passes it to
// OnConnect; it ends when OnConnect returns an error, or before OnDisconnect.
// It may be kept after that: Emit and other methods that need the client then
// return ErrNotConnected. Its rooms are then those it was in last. Its ids, its identity, its
// handshake and its values can still be read. Its methods are safe for
// concurrent use and, except for EmitWithAck, never block. A Conn is in the
// process that its client is connected to. There is no useful zero value.
type Conn struct {
	socket  *socketio.Socket
	channel *Channel

	mu sync.Mutex
	connByMu
}

// connByMu is guarded by Conn.mu.
type connByMu struct {
	auth   []byte
	values map[any]any
}

// dropLargeAuth frees an auth payload that is too large to keep after
// OnConnect.
func (c *Conn) dropLargeAuth() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.auth) > c.channel.server.opts.Limits.MaxHandshake {
		c.auth = nil
	}
}

// ID returns the id of the connection, which the client knows as socket.id. It
// is random and not a secret.
func (c *Conn) ID() string { return c.socket.ID() }

// Channel returns the channel of the app.
func (c *Conn) Channel() *Channel { return c.channel }

// Identity returns the session and user that the connection belongs to now.
// Server.LogIn, LogOut and Rebind change it, see IdentityObserver.
func (c *Conn) Identity() Identity { return identityOf(c.socket.Identity()) }

// SessionID returns the id of the browser session, "" if there is none.
func (c *Conn) SessionID() string { return c.Identity().SessionID }

// UserID returns the id of the user who is logged in, "" if nobody is.
func (c *Conn) UserID() string { return c.Identity().UserID }

// Handshake returns what the client sent when it connected.
func (c *Conn) Handshake() Handshake {
	c.mu.Lock()
	auth := c.auth
	c.mu.Unlock()
	return c.handshake().toHandshake(auth)
}

func (c *Conn) handshake() *handshake { return c.socket.Handshake().(*handshake) }

// Transport returns the transport that is in use now. With the default options
// a connection begins with Polling and is upgraded to a WebSocket.
func (c *Conn) Transport() Transport { return Transport(c.socket.Transport()) }

// Context returns a context that ends with the connection. It is made by the
// first call.
func (c *Conn) Context() context.Context { return c.socket.Context() }

// Emit sends an event to the client. It never blocks: it returns nil when the
// event is queued. In OnConnect the event is held back until that returns nil.
// The package documentation says what arguments can be; Emit keeps no reference
// to them.
//
// It returns ErrNotConnected after the end and ErrServerClosed after Shutdown.
// If an argument cannot be encoded, and for ErrReservedEvent,
// ErrTooManyAttachments and ErrTooLarge, nothing is sent. If more than
// Limits.MaxQueue bytes would wait for the client, the client is closed: that
// call returns ErrQueueFull, later ones ErrNotConnected.
func (c *Conn) Emit(event string, args ...any) error {
	return c.emit(event, args, command.Delivery{})
}

func (c *Conn) emit(event string, args []any, d command.Delivery) error {
	return wrapError(c.socket.Emit(event, args, d))
}

// Volatile addresses this connection unless it is behind, see
// Broadcast.Volatile.
func (c *Conn) Volatile() Broadcast { return c.self().Volatile() }

// Latest addresses this connection, with events that replace each other, see
// Broadcast.Latest.
func (c *Conn) Latest(key string) Broadcast { return c.self().Latest(key) }

func (c *Conn) self() Broadcast { return Broadcast{view: c.channel.view(), conn: c} }

// Broadcast addresses everybody else on the Channel, as socket.broadcast does
// in JavaScript.
func (c *Conn) Broadcast() Broadcast { return c.channel.Without(c) }

// To addresses everybody else in any of the rooms, as socket.to does in
// JavaScript. Channel.To includes this connection.
func (c *Conn) To(rooms ...string) Broadcast { return c.Broadcast().To(rooms...) }

// Except addresses everybody else who is in none of the rooms.
func (c *Conn) Except(rooms ...string) Broadcast { return c.Broadcast().Except(rooms...) }

// Send emits the event "message", as socket.send does in the client.
func (c *Conn) Send(args ...any) error { return c.Emit("message", args...) }

// EmitWithAck sends an event and waits for the client's answer: a Message whose
// arguments are what the client passed to its callback. It may be called in
// OnMessage, as answers do not wait for the handler.
//
// It returns the error of ctx if ctx ends first; context.DeadlineExceeded after
// Timeouts.AckTimeout if ctx has no deadline; ErrTooManyAcks; ErrNotConnected
// if the connection ends first, and at once in OnConnect; and the errors of
// Emit.
func (c *Conn) EmitWithAck(ctx context.Context, event string, args ...any) (*Message, error) {
	answer, err := c.socket.EmitWithAck(ctx, event, args)
	if err != nil {
		return nil, wrapError(err)
	}
	return &Message{args: answer}, nil
}

// Call is Conn.EmitWithAck with the answer's argument decoded into an Out.
// Without an argument it is the zero value. An answer that does not decode, or
// has more arguments, is an error.
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

// Join puts the connection into rooms of its Channel, until Leave or its end.
// What is emitted to them from then on reaches it; in OnConnect, after the
// client's connect event. It returns ErrNotConnected after the end,
// ErrTooManyRooms and ErrRoomName, and has then joined none of the rooms.
func (c *Conn) Join(rooms ...string) error { return wrapError(c.socket.Join(rooms...)) }

// Leave takes the connection out of rooms. It does nothing for rooms that it is
// not in.
func (c *Conn) Leave(rooms ...string) { c.socket.Leave(rooms...) }

// Rooms returns the names of the rooms that the connection is in, sorted. In
// OnDisconnect and later they are the rooms that it was in at its end. Its id,
// which addresses it as a room does, is not among them.
func (c *Conn) Rooms() []string { return c.socket.Rooms() }

// Set stores a value with the connection under a key. As with
// context.WithValue, keys should have a type of their own.
//
// If Node servers are in the cluster, they see the values that are a string, a
// number or a bool, and whose key is of the type string, as the data of the
// socket.
func (c *Conn) Set(key, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values == nil {
		c.values = make(map[any]any)
	}
	c.values[key] = value
}

// Get returns the value that Set stored under the key, nil if there is none.
func (c *Conn) Get(key any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values[key]
}

// Close disconnects the client from all its apps and closes the connection below
// them, as socket.disconnect(true) does on the official server: the disconnect
// events of the client have the reason "io server disconnect", and it does not
// reconnect by itself. What was emitted before still arrives. It returns
// ErrNotConnected if the connection to this app has ended; the other apps are
// closed nevertheless.
func (c *Conn) Close() error { return wrapError(c.socket.CloseAll()) }

// Disconnect disconnects the client from this app: what was emitted before
// still arrives, the client's disconnect event has the reason "io server
// disconnect", and the client does not reconnect by itself. Its other apps stay
// connected. In OnConnect it takes effect when that returns nil. It returns
// ErrNotConnected if the connection has ended.
func (c *Conn) Disconnect() error { return wrapError(c.socket.Disconnect()) }

// describeConn returns the handshake and the data of a connection as the JSON that
// Node servers in the cluster get from each other. The auth payload is left out,
// because clients send their tokens there, and so is what a Handshake does not
// have.
func describeConn(s *socketio.Socket) (handshake, data []byte) {
	c := connOf(s)
	return c.handshake().toHandshake(nil).describe(), c.describeValues()
}

// describeValues returns the values of Conn.Set that are strings, numbers or
// bools under a string as a JSON object. Other goroutines may change other values
// meanwhile.
func (c *Conn) describeValues() []byte {
	values := make(map[string]any)
	c.mu.Lock()
	for key, value := range c.values {
		if name, isText := key.(string); isText {
			if plain := plainValue(value); plain != nil {
				values[name] = plain
			}
		}
	}
	c.mu.Unlock()
	text, _ := json.Marshal(values) // cannot fail
	return text
}

// plainValue returns a string, a number or a bool without the methods of its
// type. It is nil for other values, and for a number that JSON does not have.
func plainValue(value any) any {
	v := reflect.ValueOf(value)
	switch {
	case v.Kind() == reflect.String:
		return v.String()
	case v.Kind() == reflect.Bool:
		return v.Bool()
	case v.CanInt():
		return v.Int()
	case v.CanUint():
		return v.Uint()
	case v.CanFloat() && !math.IsNaN(v.Float()) && !math.IsInf(v.Float(), 0):
		return v.Float()
	}
	return nil
}
