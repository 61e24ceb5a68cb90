package mojo

import (
	"context"
	"errors"
	"iter"
	"log/slog"

	"github.com/mojosocket/mojo/internal/socketio"
)

// Channel is one app on a Server, a Socket.IO namespace: who is connected to it, and
// rooms among them. It shows the connections of this process. Its methods are safe
// for concurrent use. Server.Register and Server.Handle make it, and it stays
// mounted as long as the Server; the zero Channel is empty.
type Channel struct {
	server    *Server
	app       string
	name      string
	handler   SocketHandler
	namespace *socketio.Namespace
}

// App returns the name under which the app was registered, "" for Server.Handle.
func (ch *Channel) App() string { return ch.app }

// Namespace returns what clients connect to, for instance "/ChatSocket".
func (ch *Channel) Namespace() string { return ch.name }

func (ch *Channel) view() view {
	if ch.server == nil {
		return view{}
	}
	return view{ch.server, ch}
}

func (ch *Channel) all() Broadcast { return Broadcast{view: ch.view()} }

// Len returns the number of connections.
func (ch *Channel) Len() int { return ch.view().len() }

// Conns iterates over the connections there are when the loop begins. It holds no
// lock: the body may do anything.
func (ch *Channel) Conns() iter.Seq[*Conn] { return ch.all().Conns() }

// Conn returns the live connection of this id, see Conn.ID.
func (ch *Channel) Conn(id string) (*Conn, bool) {
	if ch.server == nil {
		return nil, false
	}
	s := ch.namespace.Socket(id)
	if s == nil {
		return nil, false
	}
	return connOf(s), true
}

// CurrentSessions returns the browser sessions that are connected to this app.
func (ch *Channel) CurrentSessions() Sessions { return Sessions{ch.view(), socketio.Session} }

// LoggedInSessions returns the users who are connected to this app.
func (ch *Channel) LoggedInSessions() Sessions { return Sessions{ch.view(), socketio.User} }

// Emit sends an event to every connection of the app. It never blocks. It has the
// errors of Broadcast.Emit.
func (ch *Channel) Emit(event string, args ...any) error { return ch.all().Emit(event, args...) }

// To addresses everybody in any of the rooms.
func (ch *Channel) To(rooms ...string) Broadcast { return ch.all().To(rooms...) }

// Except addresses everybody who is in none of the rooms.
func (ch *Channel) Except(rooms ...string) Broadcast { return ch.all().Except(rooms...) }

// Without addresses every connection other than these.
func (ch *Channel) Without(conns ...*Conn) Broadcast { return ch.all().Without(conns...) }

// Volatile addresses everybody who is not behind, see Broadcast.Volatile.
func (ch *Channel) Volatile() Broadcast { return ch.all().Volatile() }

// Latest addresses everybody, with events that replace each other, see
// Broadcast.Latest.
func (ch *Channel) Latest(key string) Broadcast { return ch.all().Latest(key) }

// Local addresses the connections of this process, see Broadcast.Local.
func (ch *Channel) Local() Broadcast { return ch.all().Local() }

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
	err := i.o.OnIdentity(c, outer(from), outer(to))
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

// clientError is what a client may see of err.
func clientError(err error) (ClientError, bool) {
	if p := (*ClientError)(nil); errors.As(err, &p) && p != nil {
		return *p, true
	}
	if v := (ClientError{}); errors.As(err, &v) {
		return v, true
	}
	return ClientError{Message: "internal error"}, false
}
