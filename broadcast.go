package mojo

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/mojosocket/mojo/internal/answers"
	"github.com/mojosocket/mojo/internal/cluster/directory"
	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/socketio"
)

// Broadcast addresses some of the connections of one Channel or of the whole
// Server. It is a value: its methods return another Broadcast and change
// nothing, so it may be kept and used from several goroutines. It holds no
// connections: each Emit looks up the ones that match. With Options.Cluster it
// reaches the connections of all processes, unless it is Local.
//
// A Broadcast comes from a Channel, Sessions, a Session or a Conn. The zero
// Broadcast addresses nobody.
type Broadcast struct {
	view     view
	selector command.Selector // without the namespace, which the view has
	delivery command.Delivery
	conn     *Conn // nil, or the only connection that is addressed
	err      error // of a method that the view does not support
}

var errNoRooms = errors.New("mojo: rooms belong to a Channel; want one for To and Except, not the whole Server")

// To addresses everybody in any of the rooms, in addition to the rooms and
// sessions of earlier calls of To and Sessions.Of. The id of a connection on
// the Channel, see Conn.ID, is a room with that connection alone. A To without
// rooms adds nobody. A name that begins with "~" is reserved, see ErrRoomName:
// the methods that do something then do nothing and return an error. A Broadcast
// that was made from Sessions or a Session stays among the connections that have
// a session, or a user.
//
// On a Broadcast that was made from a Conn, To, Except and Without address the
// others on the Channel, as Conn.To does.
func (b Broadcast) To(rooms ...string) Broadcast {
	b = b.selecting(rooms)
	b.selector.Keys = withRooms(b.selector.Keys, rooms)
	b.selector.IDs = withIDs(b.selector.IDs, rooms)
	return b
}

// Except leaves out everybody who is in any of the rooms.
func (b Broadcast) Except(rooms ...string) Broadcast {
	b = b.selecting(rooms)
	b.selector.Except = withRooms(b.selector.Except, rooms)
	b.selector.ExceptIDs = withIDs(b.selector.ExceptIDs, rooms)
	return b
}

// Without leaves out connections, for instance the one that a message came
// from.
func (b Broadcast) Without(conns ...*Conn) Broadcast {
	b = b.selecting(nil)
	b.selector.ExceptIDs = slices.Clip(b.selector.ExceptIDs)
	for _, c := range conns {
		if c != nil {
			b.selector.ExceptIDs = append(b.selector.ExceptIDs, c.ID())
		}
	}
	return b
}

// selecting prepares b for a selection. A Broadcast to one Conn becomes one to
// the others on its Channel. Rooms without a Channel set the error, and so do
// reserved names.
func (b Broadcast) selecting(rooms []string) Broadcast {
	if b.conn != nil {
		b.selector.ExceptIDs, b.conn = []string{b.conn.ID()}, nil
	}
	if len(rooms) > 0 && b.view.server != nil && b.view.channel == nil {
		b.err = errNoRooms
	} else if err := hub.CheckReserved(rooms); err != nil && b.err == nil {
		b.err = wrapError(err)
	}
	return b
}

// withRooms returns a new slice that is not nil.
func withRooms(keys []command.Key, rooms []string) []command.Key {
	all := make([]command.Key, len(keys), len(keys)+len(rooms))
	copy(all, keys)
	for _, room := range rooms {
		all = append(all, command.Key{Kind: command.Room, ID: room})
	}
	return all
}

// withIDs returns ids with those of the rooms that are ids of connections. It
// does not change ids.
func withIDs(ids, rooms []string) []string {
	ids = slices.Clip(ids)
	for _, room := range rooms {
		if command.IsConnID(room) {
			ids = append(ids, room)
		}
	}
	return ids
}

// Volatile makes Emit skip connections that are behind. It is for events that
// nobody needs later. A connection is behind while its socket is full, while
// more than 16 KiB wait for it or, over polling, while anything waits; and
// while OnConnect runs.
func (b Broadcast) Volatile() Broadcast {
	b.delivery.Volatile = true
	return b
}

// Latest makes Emit replace an event with the same key that is still queued for
// a connection. It is for values of which only the newest matters. The new
// event is queued behind the events that were sent in between. So a client that
// is behind gets one event for each key when it catches up. All ways to emit to
// a connection share its keys; each app has its own.
func (b Broadcast) Latest(key string) Broadcast {
	b.delivery.Latest, b.delivery.Key = true, key
	return b
}

// Local limits the Broadcast to the connections of this process. Without
// Options.Cluster it changes nothing.
func (b Broadcast) Local() Broadcast {
	b.view.local = true
	return b
}

// Emit sends an event to the connections that are addressed now. It never
// blocks: it returns nil when the event is queued for all of them, and a
// connection that ends meanwhile is no error. The event is encoded once, for
// any number of connections. The package documentation says what arguments can
// be; Emit keeps no reference to them.
//
// It returns an error, and sends nothing to anybody, if an argument cannot be
// encoded, if the Broadcast addresses rooms without a Channel, and for
// ErrRoomName, ErrReservedEvent, ErrTooManyAttachments, ErrTooLarge and ErrServerClosed.
// With ErrClusterDown it has sent the event to the connections of this process
// alone. A Broadcast to a single Conn has the errors of Conn.Emit.
func (b Broadcast) Emit(event string, args ...any) error {
	switch {
	case b.err != nil:
		return b.err
	case b.conn != nil:
		return b.conn.emit(event, args, b.delivery)
	case b.view.server == nil:
		return nil
	}
	return wrapError(b.view.server.sio.Emit(b.address(), b.delivery, b.view.local, event, args))
}

// EmitWithAck sends an event to the connections that are addressed now, and
// returns their answers: what the clients pass to their callbacks. It does not
// wait for them, see Answers. The event is encoded once, for any number of
// connections. The Server waits for answers until ctx ends or, if ctx has no
// deadline, for Timeouts.AckTimeout. A connection that ends counts as an answer
// at once, with ErrNotConnected. Each connection that is asked counts for
// Limits.MaxPendingAcks until then.
//
// With Options.Cluster the connections of all processes are asked, and each
// process tells how many these are. Answers of more than 512 KiB are dropped on
// their way from another process, with ErrTooLarge. While the others cannot be
// reached, Answers.Err returns ErrNodeLost. Over mojoredis, a Broadcast of a
// Channel that does not come from Sessions asks the clients of Node servers, too.
// Their Answers have the first argument, and neither ids nor an Identity. A
// client of theirs that leaves is waited for until the end.
//
// It returns the errors of Emit, except for ErrClusterDown, and that of ctx if
// ctx has ended. Then it has sent nothing.
func (b Broadcast) EmitWithAck(ctx context.Context, event string, args ...any) (*Answers, error) {
	var c *answers.Collection
	var err error
	switch {
	case b.err != nil:
		return nil, b.err
	case b.conn != nil:
		c, err = b.conn.socket.EmitWithAcks(ctx, b.delivery, event, args)
	case b.view.server == nil:
		return &Answers{}, nil
	default:
		c, err = b.view.server.sio.EmitWithAck(ctx, b.address(), b.delivery, b.view.local, event, args)
	}
	if err != nil {
		return nil, wrapError(err)
	}
	return &Answers{c}, nil
}

// Len returns the number of connections of this process that are addressed now:
// the size of a room, for instance. Those that have not connected yet, and those
// of other processes, do not count.
func (b Broadcast) Len() int { return len(b.sockets()) }

// Conns iterates over the connections of this process that are addressed when
// the loop begins.
// It holds no lock: the body of the loop may do anything. A Broadcast that
// addresses rooms without a Channel has none.
func (b Broadcast) Conns() iter.Seq[*Conn] { return conns(b.sockets) }

// Join puts the connections that are addressed now into rooms. It returns
// ErrRoomName, and puts nobody there, if a name is too long or reserved. It returns
// ErrTooManyRooms, with the number of connections, if some would be in too many
// rooms: these join none, the others do. Connections that end meanwhile are no
// error.
func (b Broadcast) Join(rooms ...string) error {
	switch {
	case b.conn != nil:
		if err := b.conn.Join(rooms...); !errors.Is(err, ErrNotConnected) {
			return err
		}
		return b.err
	case b.err != nil || b.view.server == nil:
		return b.err
	}
	return wrapError(b.view.server.sio.Join(command.Join{Selector: b.address(), Rooms: rooms}, b.view.local))
}

// Leave takes the connections that are addressed now out of rooms. It returns
// an error, and does nothing, if the Broadcast addresses rooms without a Channel
// and for reserved names (ErrRoomName).
func (b Broadcast) Leave(rooms ...string) error {
	if err := hub.CheckReserved(rooms); err != nil {
		return wrapError(err)
	}
	switch {
	case b.conn != nil:
		b.conn.Leave(rooms...)
	case b.err == nil && b.view.server != nil:
		return wrapError(b.view.server.sio.Leave(command.Leave{Selector: b.address(), Rooms: rooms}, b.view.local))
	}
	return b.err
}

// Disconnect disconnects the connections that are addressed now, see
// Conn.Disconnect: the clients do not reconnect by themselves. It returns an
// error if the Broadcast addresses rooms without a Channel.
func (b Broadcast) Disconnect() error {
	switch {
	case b.conn != nil:
		_ = b.conn.Disconnect() // a connection that has ended is disconnected
	case b.err == nil && b.view.server != nil:
		return wrapError(b.view.server.sio.Disconnect(command.Disconnect{Selector: b.address()}, b.view.local))
	}
	return b.err
}

// address returns the selector with its namespace.
func (b *Broadcast) address() command.Selector {
	sel := b.selector
	sel.Namespace = b.view.namespace()
	if sel.Keys != nil && !slices.ContainsFunc(sel.Keys, func(k command.Key) bool { return k.Kind != sel.Requires }) {
		sel.Requires = command.Room // every connection under the keys has a session or user
	}
	return sel
}

func (b *Broadcast) sockets() []*socketio.Socket {
	switch {
	case b.conn != nil:
		return []*socketio.Socket{b.conn.socket}
	case b.err != nil || b.view.server == nil:
		return nil
	}
	return b.view.server.sio.Sockets(b.address())
}

// conns iterates over the Conns of the sockets that are connected.
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

// view is the connections of one Channel or, without one, of the whole Server.
// The zero view has none.
type view struct {
	server  *Server
	channel *Channel
	local   bool // the connections of this process alone
}

// directory returns who is connected to all processes of the cluster. It is nil
// for a local view, and without a cluster.
func (v view) directory() *directory.Directory {
	if node := v.server.sio.Node(); node != nil && !v.local {
		return node.Directory()
	}
	return nil
}

// namespace returns the namespace of a selector: empty for the whole server.
func (v view) namespace() string {
	if v.channel == nil {
		return ""
	}
	return v.channel.name
}

func (v view) len() int {
	if v.server == nil {
		return 0
	}
	return v.server.sio.Hub().Len(v.namespace())
}

// ids returns the ids of the connected sessions or users.
func (v view) ids(kind command.Kind) []string {
	if v.server == nil {
		return nil
	}
	if d := v.directory(); d != nil {
		return slices.Collect(d.IDs(v.namespace(), kind))
	}
	return v.server.sio.Hub().IDs(v.namespace(), kind)
}

// count returns the number of connected sessions or users.
func (v view) count(kind command.Kind) int {
	if v.server == nil {
		return 0
	}
	if d := v.directory(); d != nil {
		return d.Len(v.namespace(), kind)
	}
	return v.server.sio.Hub().Count(v.namespace(), kind)
}

// countUnder returns the number of connections of one session or user.
func (v view) countUnder(key command.Key) int {
	if v.server == nil {
		return 0
	}
	if d := v.directory(); d != nil {
		return d.Count(v.namespace(), key)
	}
	return v.server.sio.Hub().CountUnder(v.namespace(), key)
}

// online returns the ids that are online.
func (v view) online(kind command.Kind, ids []string) []string {
	if v.server == nil {
		return nil
	}
	if node := v.server.sio.Node(); node != nil && !v.local {
		return node.Online(v.namespace(), kind, ids)
	}
	return v.server.sio.Hub().Online(v.namespace(), kind, ids)
}
