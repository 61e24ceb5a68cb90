package mojo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/presence"
	"github.com/mojosocket/mojo/internal/socketio"
)

// SocketHandler is the code of an app. The Server calls it for the connections
// of one Channel.
//
// The calls for one Conn are made one after another and in order. Each Conn has
// a mailbox of its own, so that a slow call delays no other client. The calls
// for different Conns run at the same time. Only when messages of
// Limits.MaxInbound bytes wait for the handler does the Server stop reading
// from that client. A panic is logged, and closes the connection that it
// happened on.
//
// A SocketHandler may also implement EmitObserver, IdentityObserver and
// PresenceObserver. Events makes a SocketHandler of typed functions.
type SocketHandler interface {
	// OnConnect decides whether a client may connect. An error refuses it: the
	// client gets the text and data of a ClientError, and "internal error" for
	// any other error. Until OnConnect returns nil nothing is sent to the
	// client, and the Conn is not in Channel, Sessions or Broadcasts. It may
	// already emit, join rooms and set values: what it emits to its own client
	// arrives after that client's connect event. What it sends to others, by
	// Conn.Broadcast for instance, is sent at once, also if OnConnect returns
	// an error later.
	OnConnect(c *Conn) error
	// OnMessage gets every event. Its name is "message" for socket.send.
	OnMessage(c *Conn, m *Message)
	// OnDisconnect is called once and last, if and only if OnConnect returned
	// nil. The Conn is not in Channel, Sessions or Broadcasts any more, but has
	// its Identity, the values of Conn.Set, and Conn.Rooms as they were.
	OnDisconnect(c *Conn, reason Reason)
}

// EmitObserver can be implemented by a SocketHandler to see what is sent to its
// connections.
//
// OnEmit is called for each event and each connection, broadcasts included,
// before the event is queued for any of them; the caller of Emit waits for it.
// Several goroutines may call it at the same time. It must not change the
// arguments. It is also called for events that are held back for a Conn until
// the Conn has proven that it belongs to a user, see Server.LogIn. A panic
// closes the connection of the call.
type EmitObserver interface {
	OnEmit(c *Conn, event string, args []any)
}

// IdentityObserver can be implemented by a SocketHandler to learn when the
// identity of a connection changes, for instance to leave rooms of the previous
// user.
//
// OnIdentity is called after LogIn, LogOut or Rebind, once for each change and
// connection and in the order of the changes, between the other calls for that
// Conn. After a LogIn it is called when the connection has proven that it is
// the user's. If it was another user's before, it is also called when the
// connection has lost that user. c.Identity may already be a later one than
// now. It is not called if the session and user ids stay the same. For a Conn
// that is still in OnConnect it is called afterwards.
//
// An error disconnects the Conn: the client gets a RevokedEvent with
// CodeRefused and the text of a ClientError, and OnDisconnect gets
// ReasonIdentityRefused.
type IdentityObserver interface {
	OnIdentity(c *Conn, old, now Identity) error
}

// PresenceObserver can be implemented by a SocketHandler to learn who comes
// online and goes offline on its app. It is Options.OnPresence for one app:
// calls come one at a time. OnPresence must not wait for another OnPresence.
type PresenceObserver interface {
	OnPresence(ch *Channel, p Presence)
}

// checkObservers returns an error for a handler with a method that has the name
// of an observer's method but would never be called, because its signature is
// another one, or because its receiver is a pointer and the handler is not.
func checkObservers(h SocketHandler) error {
	_, emits := h.(EmitObserver)
	_, identities := h.(IdentityObserver)
	_, presences := h.(PresenceObserver)
	v := reflect.ValueOf(h)
	if v.Kind() != reflect.Pointer {
		v = reflect.New(v.Type())
	}
	// The names are constants in these calls, so that linkers can still drop
	// the methods of other types that are never called.
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

// channelApp is a Channel as the Socket.IO layer calls it.
type channelApp struct{ ch *Channel }

// Connect implements socketio.App.
func (a channelApp) Connect(s *socketio.Socket, auth []byte) *socketio.Refusal {
	c := &Conn{socket: s, channel: a.ch, connByMu: connByMu{auth: auth}}
	s.Data = c
	defer c.dropLargeAuth()
	for _, check := range a.ch.server.checks.list() {
		if err := check(c); err != nil {
			return c.refusal("Use", err)
		}
	}
	return c.refusal("OnConnect", a.ch.handler.OnConnect(c))
}

// checks are the functions of Server.Use.
type checks struct {
	mu  sync.Mutex // held while the list is replaced
	all atomic.Pointer[[]func(*Conn) error]
}

func (k *checks) list() []func(*Conn) error {
	if all := k.all.Load(); all != nil {
		return *all
	}
	return nil
}

// Use makes the Server call check for every client that connects to an app,
// before OnConnect. What OnConnect may do, check may do; an error refuses the
// client in the same way, and neither the checks after it nor OnConnect are
// called then. The checks are called in the order of the calls of Use. Clients
// whose first check has begun already are not affected.
//
// For requests, before there is a connection, wrap the Server as any
// http.Handler. Events.Use is for what clients send. Use panics if check is nil.
// It is safe for concurrent use.
func (s *Server) Use(check func(c *Conn) error) {
	if check == nil {
		panic("mojo: the function for Server.Use is nil")
	}
	s.checks.mu.Lock()
	defer s.checks.mu.Unlock()
	all := append(slices.Clone(s.checks.list()), check)
	s.checks.all.Store(&all)
}

// refusal returns the refusal for the error of a callback, nil if the error is
// nil.
func (c *Conn) refusal(callback string, err error) *socketio.Refusal {
	if err == nil {
		return nil
	}
	shown, isClient := clientError(err)
	if !isClient {
		c.logHandlerError(callback, "", err)
	}
	return &socketio.Refusal{Message: shown.Message, Data: shown.Data}
}

// Event implements socketio.App.
func (a channelApp) Event(e *socketio.Event) {
	a.ch.handler.OnMessage(connOf(e.Socket), &Message{name: e.Name, args: e.Args, event: e})
}

// Disconnect implements socketio.App.
func (a channelApp) Disconnect(s *socketio.Socket, reason socketio.Reason) {
	a.ch.handler.OnDisconnect(connOf(s), Reason(reason))
}

// logHandlerError logs an error that a callback returned for c. Errors because
// the connection or the Server ended meanwhile are logged at level Debug.
func (c *Conn) logHandlerError(callback, event string, err error) {
	level := slog.LevelError
	if errors.Is(err, ErrNotConnected) && c.socket.Ended() || errors.Is(err, ErrServerClosed) {
		level = slog.LevelDebug
	} else {
		c.channel.server.handlerErrors.Add(1)
	}
	c.channel.server.opts.Logger.Log(context.Background(), level, "mojo: a handler returned an error that the client does not see",
		"callback", callback, "namespace", c.channel.name, "event", event, "error", err)
}

// watchers returns the observers that the handler implements. For an Events
// they are the functions that are set.
func (ch *Channel) watchers() (w socketio.Watchers) {
	h := ch.handler
	ev := new(Events)
	events, isEvents := h.(eventsHandler)
	if isEvents {
		ev = events.ev
	}
	if o, ok := h.(EmitObserver); ok && (!isEvents || ev.Emit != nil) {
		w.Emits = emitObserver{o}
	}
	if o, ok := h.(IdentityObserver); ok && (!isEvents || ev.Identity != nil) {
		w.Identity = identityObserver{o}
	}
	if o, ok := h.(PresenceObserver); ok && (!isEvents || ev.Presence != nil) {
		w.Presence = presenceObserver{ch, o}
	}
	return w
}

type identityObserver struct{ o IdentityObserver }

// Changed implements socketio.IdentityWatcher.
func (i identityObserver) Changed(s *socketio.Socket, from, to command.Identified) *socketio.Refusal {
	c := connOf(s)
	err := i.o.OnIdentity(c, identityOf(from), identityOf(to))
	return c.refusal("OnIdentity", err)
}

type presenceObserver struct {
	ch *Channel
	o  PresenceObserver
}

// Presence implements socketio.PresenceWatcher.
func (p presenceObserver) Presence(t presence.Transition) { p.o.OnPresence(p.ch, presenceOf(t)) }

type emitObserver struct{ o EmitObserver }

// Emitted implements socketio.Observer.
func (e emitObserver) Emitted(s *socketio.Socket, event string, args []any) {
	e.o.OnEmit(connOf(s), event, args)
}
