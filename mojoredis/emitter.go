package mojoredis

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/mojosocket/mojo/cluster"
)

// EmitterOptions are the options of an Emitter. The zero value is ready to use.
type EmitterOptions struct {
	// Key is that of Options.
	Key string

	// MaxMessage is the greatest size of a message in bytes, as it is published.
	// A larger one is refused with ErrTooLarge. The default is 1 MiB.
	MaxMessage int
}

// Emitter sends events to the clients of a cluster from a program that is no
// Server, for instance a worker: to those of Servers with a Bus of this package,
// and of Node servers with @socket.io/redis-adapter. Make it with NewEmitter.
// It is safe for concurrent use.
type Emitter struct {
	client redis.UniversalClient
	bus    *Bus // its options and channels
	err    error
}

// NewEmitter returns an Emitter that publishes with a client. The client repeats
// a command if its connection breaks, so that an event can arrive twice, unless
// its option MaxRetries is -1. With a Redis Cluster, events to different rooms
// may arrive in another order.
func NewEmitter(client redis.UniversalClient, options EmitterOptions) *Emitter {
	return &Emitter{
		client: client,
		bus:    New(client, Options{Key: options.Key, MaxMessage: options.MaxMessage}),
		err:    checkKey(options.Key),
	}
}

// Of addresses everybody in a namespace, as Channel.Namespace returns it: for
// an app that was registered as "Chat" it is "/ChatSocket". An empty one is "/".
func (e *Emitter) Of(namespace string) Target {
	if !strings.HasPrefix(namespace, "/") {
		namespace = "/" + namespace
	}
	return Target{emitter: e, address: cluster.Address{Namespace: namespace}}
}

// Target addresses some of the connections in a namespace. It is a value: its
// methods return another Target and change nothing, so it may be kept and used
// from several goroutines. The zero Target addresses nobody.
//
// The methods that publish return when Redis has accepted the message. It is not
// known whom it reaches.
type Target struct {
	emitter  *Emitter
	address  cluster.Address // Rooms that are empty and not nil: nobody
	volatile bool
}

// To addresses everybody in any of the rooms, in addition to the rooms, users
// and sessions of earlier calls. A To without rooms adds nobody. The id of a
// connection is also a room.
func (t Target) To(rooms ...string) Target { return t.to("", rooms) }

// Users addresses the users with any of the ids, in addition to earlier calls.
func (t Target) Users(ids ...string) Target { return t.to("~u:", ids) }

// Sessions addresses the browser sessions with any of the ids, in addition to
// earlier calls.
func (t Target) Sessions(ids ...string) Target { return t.to("~s:", ids) }

func (t Target) to(prefix string, names []string) Target {
	t.address.Rooms = withNames(t.address.Rooms, prefix, names)
	return t
}

// Except leaves out everybody who is in any of the rooms.
func (t Target) Except(rooms ...string) Target {
	t.address.Except = withNames(t.address.Except, "", rooms)
	return t
}

// withNames returns a new slice that is not nil, without doubles.
func withNames(list []string, prefix string, names []string) []string {
	all := append(make([]string, 0, len(list)+len(names)), list...)
	for _, name := range names {
		if name = prefix + name; !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// Volatile makes Emit skip connections that are behind.
func (t Target) Volatile() Target {
	t.volatile = true
	return t
}

// Emit sends an event. The arguments are those of mojo.Broadcast.Emit.
func (t Target) Emit(ctx context.Context, event string, args ...any) error {
	data, attachments, err := cluster.Encode(event, args...)
	if err != nil {
		return fmt.Errorf("mojoredis: %w", err)
	}
	return t.publish(ctx, &cluster.Message{Event: &cluster.Event{
		Address: t.address, Data: data, Attachments: attachments, Volatile: t.volatile,
	}})
}

// Join puts the connections into rooms. Names that begin with "~" are refused:
// they are reserved for users and sessions.
func (t Target) Join(ctx context.Context, rooms ...string) error {
	return t.command(ctx, cluster.Command{Verb: cluster.Join, Names: rooms})
}

// Leave takes the connections out of rooms. It refuses the names that Join
// refuses.
func (t Target) Leave(ctx context.Context, rooms ...string) error {
	return t.command(ctx, cluster.Command{Verb: cluster.Leave, Names: rooms})
}

// Disconnect disconnects the connections from the namespace: the clients do not
// reconnect by themselves.
func (t Target) Disconnect(ctx context.Context) error {
	return t.command(ctx, cluster.Command{Verb: cluster.Disconnect})
}

// DisconnectAll disconnects the connections from all their namespaces, by
// closing the transport below.
func (t Target) DisconnectAll(ctx context.Context) error {
	return t.command(ctx, cluster.Command{Verb: cluster.Disconnect, Close: true})
}

func (t Target) command(ctx context.Context, c cluster.Command) error {
	for _, room := range c.Names {
		if strings.HasPrefix(room, "~") {
			return fmt.Errorf("mojoredis: the name of the room %q begins with \"~\", which is reserved for users and sessions", room)
		}
	}
	c.Address = t.address
	return t.publish(ctx, &cluster.Message{Command: &c})
}

// publish publishes a message, unless it is for nobody: without rooms it would be
// for everybody on the wire.
func (t Target) publish(ctx context.Context, message *cluster.Message) error {
	switch {
	case t.emitter == nil:
		return nil
	case t.emitter.err != nil:
		return t.emitter.err
	case t.address.Rooms != nil && len(t.address.Rooms) == 0:
		return nil
	}
	e, err := t.emitter.bus.entry(emitterUID, "", message)
	if err == nil {
		err = t.emitter.bus.checkSize(e)
	}
	if err != nil {
		return err
	}
	if err := t.emitter.client.Publish(ctx, e.channel, e.body).Err(); err != nil {
		return fmt.Errorf("mojoredis: publish: %w", err)
	}
	return nil
}
