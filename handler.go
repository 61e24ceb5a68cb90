package mojo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

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

// IdentityObserver may be implemented by a SocketHandler that wants to know when
// the identity of a connection changes. OnIdentity is called after LogIn, LogOut or
// Rebind, once for each change and connection and in their order, between the other
// calls for that Conn; c.Identity may be ahead of now. After a LogIn it is called
// when the connection has proven that it is the user's, see LogIn, and, if it was
// another user's, also when it has become nobody's before that. It is the place to leave
// rooms that were the old user's. An error disconnects the Conn: the client gets a
// RevokedEvent with CodeRefused, with the error's text if it is a ClientError, and
// OnDisconnect gets ReasonIdentityRefused. A connection that was still in OnConnect
// is told afterwards; one that began after the change is not, nor is any where the ids
// stay as they are.
type IdentityObserver interface {
	OnIdentity(c *Conn, old, now Identity) error
}

// PresenceObserver may be implemented by a SocketHandler that wants to know who
// comes online and goes offline on its app. It is Options.OnPresence for one app,
// with the same guarantees. OnPresence must not wait for another OnPresence.
type PresenceObserver interface {
	OnPresence(ch *Channel, p Presence)
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

// channelApp is the channel as the layer below sees it.
type channelApp struct{ ch *Channel }

// Connect is part of socketio.App.
func (a channelApp) Connect(s *socketio.Socket, auth []byte) *socketio.Refusal {
	c := &Conn{socket: s, channel: a.ch, auth: auth}
	s.Data = c
	err := a.ch.handler.OnConnect(c)
	c.settle()
	return c.refusal("OnConnect", err)
}

// refusal is what the client sees of a callback's error, nil if that is nil.
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

// Event is part of socketio.App.
func (a channelApp) Event(e *socketio.Event) {
	a.ch.handler.OnMessage(connOf(e.Socket), &Message{name: e.Name, args: e.Args, event: e})
}

// Disconnect is part of socketio.App.
func (a channelApp) Disconnect(s *socketio.Socket, reason socketio.Reason) {
	a.ch.handler.OnDisconnect(connOf(s), Reason(reason))
}

// logHandlerError logs an error that a handler has returned for c. That the client
// or the server has gone meanwhile is no fault of anybody's.
func (c *Conn) logHandlerError(callback, event string, err error) {
	level := slog.LevelError
	if errors.Is(err, ErrNotConnected) && c.socket.Ended() || errors.Is(err, ErrServerClosed) {
		level = slog.LevelDebug
	} else {
		c.channel.server.complaints.Add(1)
	}
	c.channel.server.opts.Logger.Log(context.Background(), level, "mojo: a handler returned an error that the client does not see",
		"callback", callback, "namespace", c.channel.name, "event", event, "error", err)
}

// watchers returns the observers that the handler implements. Those of an Events
// are the functions that are set.
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

// Changed is part of socketio.IdentityWatcher.
func (i identityObserver) Changed(s *socketio.Socket, from, to socketio.Identified) *socketio.Refusal {
	c := connOf(s)
	err := i.o.OnIdentity(c, identityOf(from), identityOf(to))
	return c.refusal("OnIdentity", err)
}

type presenceObserver struct {
	ch *Channel
	o  PresenceObserver
}

// Presence is part of socketio.PresenceWatcher.
func (p presenceObserver) Presence(t socketio.Transition) { p.o.OnPresence(p.ch, presenceOf(t)) }

type emitObserver struct{ o EmitObserver }

// Emitted is part of socketio.Observer.
func (e emitObserver) Emitted(s *socketio.Socket, event string, args []any) {
	e.o.OnEmit(connOf(s), event, args)
}
