package mojo

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"

	"github.com/mojosocket/mojo/internal/socketio"
)

// Channel is the namespace of one app: who is connected to it, and rooms among
// them. Its methods are safe for concurrent use.
type Channel struct {
	server    *Server
	app       string
	name      string
	handler   SocketHandler
	namespace *socketio.Namespace
}

// App is the name under which the app was registered, "" for Server.Handle.
func (ch *Channel) App() string { return ch.app }

// Namespace is what clients connect to, for instance "/ChatSocket".
func (ch *Channel) Namespace() string { return ch.name }

func (ch *Channel) view() socketio.View {
	return socketio.View{Server: ch.server.sio, Namespace: ch.namespace}
}

// Len is the number of connections.
func (ch *Channel) Len() int { return ch.view().Len() }

// Conns walks the connections there are when the walk begins. It holds no lock.
func (ch *Channel) Conns() iter.Seq[*Conn] {
	return conns(func() []*socketio.Socket { return ch.view().Everyone() })
}

// Conn returns the live connection of this id, see Conn.ID.
func (ch *Channel) Conn(id string) (*Conn, bool) {
	s := ch.namespace.Socket(id)
	if s == nil {
		return nil, false
	}
	return connOf(s), true
}

// CurrentSessions returns the browser sessions that are connected to this app.
func (ch *Channel) CurrentSessions() Sessions {
	return Sessions{server: ch.server, view: ch.view(), kind: socketio.Session}
}

// LoggedInSessions returns the users who are connected to this app.
func (ch *Channel) LoggedInSessions() Sessions {
	return Sessions{server: ch.server, view: ch.view(), kind: socketio.User}
}

// Emit sends an event to every connection of the app. It never blocks. See
// Broadcast.Emit for its errors.
func (ch *Channel) Emit(event string, args ...any) error { return ch.all().Emit(event, args...) }

// To returns a Broadcast to everybody in any of the rooms.
func (ch *Channel) To(rooms ...string) Broadcast { return ch.all().To(rooms...) }

// Except returns a Broadcast to everybody who is in none of the rooms.
func (ch *Channel) Except(rooms ...string) Broadcast { return ch.all().Except(rooms...) }

// Volatile returns a Broadcast to everybody who is not behind, see
// Conn.EmitVolatile.
func (ch *Channel) Volatile() Broadcast { return ch.all().Volatile() }

// Latest returns a Broadcast to everybody whose events replace each other, see
// Conn.EmitLatest.
func (ch *Channel) Latest(key string) Broadcast { return ch.all().Latest(key) }

func (ch *Channel) all() Broadcast { return Broadcast{socketio.Target{View: ch.view()}} }

// Broadcast is a choice of connections of one Channel. It is a value: its methods
// return another Broadcast and change nothing, so one may be kept and shared
// between goroutines. Whom it means is looked up anew by each Emit. Begin with a
// Channel's To, Except or Volatile; the zero Broadcast is of no use.
type Broadcast struct{ target socketio.Target }

// To adds everybody in any of the rooms. Without a To, everybody is meant; a To
// without rooms means nobody.
func (b Broadcast) To(rooms ...string) Broadcast {
	b.target.Keys = withRooms(b.target.Keys, rooms)
	return b
}

// Except takes out everybody who is in any of the rooms.
func (b Broadcast) Except(rooms ...string) Broadcast {
	b.target.Except = withRooms(b.target.Except, rooms)
	return b
}

// withRooms returns a slice of its own that is not nil.
func withRooms(keys []socketio.Key, rooms []string) []socketio.Key {
	all := make([]socketio.Key, len(keys), len(keys)+len(rooms))
	copy(all, keys)
	for _, room := range rooms {
		all = append(all, socketio.Key{Kind: socketio.Room, ID: room})
	}
	return all
}

// Without takes out connections, for instance the one a message came from.
func (b Broadcast) Without(conns ...*Conn) Broadcast {
	b.target.Without = slices.Clone(b.target.Without)
	for _, c := range conns {
		b.target.Without = append(b.target.Without, c.socket)
	}
	return b
}

// Volatile has Emit leave out connections that are behind, see
// Conn.EmitVolatile.
func (b Broadcast) Volatile() Broadcast {
	b.target.Delivery.Volatile = true
	return b
}

// Latest has Emit replace what was sent under the same key and still waits, see
// Conn.EmitLatest.
func (b Broadcast) Latest(key string) Broadcast {
	b.target.Delivery.Latest, b.target.Delivery.Key = true, key
	return b
}

// Emit sends an event to the connections that are meant now. It never blocks: it
// returns nil when the event is queued for all of them, and one that ends
// meanwhile is no error. The event is encoded once, however many there are.
//
// It returns an error, and sends nothing to anybody, if an argument cannot be
// encoded, and ErrReservedEvent, ErrTooManyAttachments, ErrTooLarge or
// ErrServerClosed. It keeps no reference to the arguments.
func (b Broadcast) Emit(event string, args ...any) error { return edge(b.target.Emit(event, args)) }

// Conns walks the connections that are meant when the walk begins. It holds no
// lock.
func (b Broadcast) Conns() iter.Seq[*Conn] { return conns(b.target.Sockets) }

// Join puts the connections that are meant now into rooms. It returns the errors of
// Conn.Join for those that it could not put there, joined, but for connections that
// end meanwhile.
func (b Broadcast) Join(rooms ...string) error {
	var failed []error
	for c := range b.Conns() {
		if err := c.Join(rooms...); err != nil && !errors.Is(err, ErrNotConnected) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// Leave takes the connections that are meant now out of rooms.
func (b Broadcast) Leave(rooms ...string) {
	for c := range b.Conns() {
		c.Leave(rooms...)
	}
}

// Disconnect disconnects the connections that are meant now, see Conn.Disconnect.
func (b Broadcast) Disconnect() {
	for c := range b.Conns() {
		_ = c.Disconnect() // one that ends meanwhile is disconnected
	}
}

// conns walks those of the sockets that are connected.
func conns(sockets func() []*socketio.Socket) iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for _, s := range sockets() {
			if s.Connected() && !yield(connOf(s)) {
				return
			}
		}
	}
}

func connOf(s *socketio.Socket) *Conn { return s.Data.(*Conn) }

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

// watchers are the further interfaces that the handler implements.
func (ch *Channel) watchers() (w socketio.Watchers) {
	if o, ok := ch.handler.(EmitObserver); ok {
		w.Emits = emitObserver{o}
	}
	ev, isEvents := ch.handler.(*Events)
	if o, ok := ch.handler.(IdentityObserver); ok && !(isEvents && ev.Identity == nil) {
		w.Identity = identityObserver{o}
	}
	if o, ok := ch.handler.(PresenceObserver); ok && !(isEvents && ev.Presence == nil) {
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
