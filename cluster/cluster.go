// Package cluster connects Servers in several processes, so that they serve one
// set of people: an event reaches its receivers on whatever node they are, and
// a login, a logout or a revocation holds on all of them.
//
// A node is a Server in one process. Nodes talk over a [Bus], which a backend
// supplies: package mojoredis, package mojonats, or the [Memory] of this
// package, for several Servers in one process. Pass it to a Server as
// mojo.Options.Cluster. Sites do not call the methods of a Bus.
//
// # Writing a backend
//
// A Bus only carries messages; it stores nothing and decides nothing. It has to
// keep three promises, which package clustertest checks:
//
//   - Messages of one node arrive at another in the order of their publication,
//     whatever their kind and address, or not at all.
//   - A message arrives at most once at each node that is connected. It does
//     not arrive at the node that published it, except for a control message
//     that a node sends to itself.
//   - After messages may have been lost, the node is told by [LinkResumed].
//
// The Server does the rest: it seals what others must not forge, finds out
// which nodes are there, repeats what has to be confirmed, and drops what is
// not for its connections. So a backend may deliver an event to nodes that have
// no receivers for it. It asks [Node.Occupied] to drop such an event without
// decoding it.
//
// A backend of a broker with many topics may subscribe to the rooms that are
// occupied only: its Link is an [Occupier] then.
//
// On a broker that servers of another kind use, too, a Link may be a [Mounter],
// and its backend asks a Node that is a [Responder]. A Link that can ask those
// servers is an [Asker].
package cluster

import "context"

// Bus connects nodes. It is safe for concurrent use, and may be opened by
// several Servers unless the backend says otherwise.
type Bus interface {
	// Open connects a node under a name that no other node has, of at most 64
	// ASCII letters and digits. It does not wait for the broker: the node is
	// told by [Node.Link] when it is connected, and the backend keeps trying
	// until Link.Close. An error is for options that can never work.
	Open(name string, n Node) (Link, error)
}

// Link is one node's end of a Bus.
type Link interface {
	// Publish sends messages in their order. It blocks until the broker has
	// taken them, and returns an error if some may be lost, which then do not
	// arrive later. It keeps no reference to the messages after it has
	// returned. It is called by one goroutine at a time.
	Publish(ctx context.Context, messages []Message) error

	// Close disconnects the node and returns when no method of it is called any
	// more, so a method of the node must not call it. It may be called again, and
	// at the same time as Publish, which then returns an error.
	Close() error
}

// Node is what a backend calls: one Server. Event, Command, Control and Link
// are called by one goroutine at a time, return soon, and keep no reference to
// what they get unless they say so. They may be called before Open has returned.
// Occupied may be called at any time.
type Node interface {
	// Event delivers an event that another node or another program published.
	// The node keeps the event, which must not be changed any more.
	Event(e *Event)

	// Command applies a command that another node or another program published.
	// The node keeps the command, which must not be changed any more.
	Command(c *Command)

	// Control delivers a control message for this node or for all. The node
	// keeps the bytes, which must not be changed any more.
	Control(sealed []byte)

	// Link reports a change of the connection to the broker.
	Link(state LinkState)

	// Occupied reports whether connections of this node are in a room of a
	// namespace or, if the room is empty, in the namespace. The room may be any
	// of those that [Address] describes. It takes no longer than a look-up.
	Occupied(namespace, room string) bool
}

// LinkState is the state of the connection between a node and the broker.
type LinkState uint8

const (
	// LinkDown is the state before the node is connected, and after the
	// connection was lost.
	LinkDown LinkState = iota
	// LinkUp says that the node is connected: it gets what is published from
	// now on.
	LinkUp
	// LinkResumed is LinkUp after messages may have been lost, whether LinkDown
	// was reported before or not.
	LinkResumed
)

// Message is what a node publishes. One of Event, Command and Control is set.
type Message struct {
	Event   *Event   // for every other node
	Command *Command // for every other node
	Control []byte   // for the node To
	To      string   // the name of a node, which may be the sender; empty: every other node
}

// Address is the connections of one namespace that an Event or Command is for.
//
// "~u:" and a user id is the room of a user's connections, "~s:" and a session
// id that of a browser session's.
type Address struct {
	Namespace string   // begins with a slash
	Rooms     []string // the connections in any of these; empty: all in the namespace
	Except    []string // no connection in any of these, and none with such an id

	// IDs says that Rooms may have ids of connections: each is also a room with
	// that connection alone. It is so for what the official servers and their
	// emitters publish. A backend may set it if it is not known.
	IDs bool
}

// Event is a Socket.IO event.
type Event struct {
	Address
	// Data is the JSON array of the event's name and arguments. In place of a
	// binary argument it has {"_placeholder":true,"num":n} for Attachments[n].
	Data        []byte
	Attachments [][]byte
	Volatile    bool   // clients that are behind are skipped
	Latest      bool   // replaces the queued event of the same Key
	Key         string // of Latest
}

// Verb is what a Command does.
type Verb uint8

// The verbs.
const (
	Join       Verb = iota + 1 // puts connections into the rooms Names
	Leave                      // takes connections out of the rooms Names
	Disconnect                 // disconnects connections from the namespace
)

// Command changes connections.
type Command struct {
	Address
	Verb  Verb
	Names []string // rooms, for Join and Leave
	Close bool     // for Disconnect: closes the whole connection, with its other namespaces
}
