package cluster

import "time"

// Mounter is a Link that has to know which namespaces the node serves, because
// servers of another kind are on the broker and ask questions by namespace. The
// Server calls Mount for each namespace when it is registered, if its Link is a
// Mounter. Mount may be called from any goroutine and does not wait for the
// broker. Events and commands arrive whether their namespace is mounted or not.
type Mounter interface {
	Mount(namespace string)
}

// Responder is a Node that answers the questions of servers of another kind
// that are on the same broker. For a Node that is no Responder, a backend
// answers such questions as a server without connections does.
//
// EmitWithAck and ServerSideEmit are called as the methods of Node are: by one
// goroutine at a time, and they return soon. Rooms and Sockets may be called at
// any time, by any goroutine, until Link.Close returns. All keep no reference to
// what they get unless they say so, and speak only of connections of this node.
type Responder interface {
	// Rooms returns the rooms of a namespace in which connections are: all those
	// that Address describes, so the ids of connections, too. There may be doubles.
	Rooms(namespace string) []string

	// Sockets returns the connections that an address is for.
	Sockets(a *Address) []Socket

	// EmitWithAck sends an event to the connections that it is for, returns how
	// many these are, and calls answer with the first argument of each client's
	// ack that arrives within a time: a JSON value, with placeholders for its
	// attachments as in Event.Data. answer may be called from any goroutine, also
	// before EmitWithAck has returned, and keeps no reference to the arguments.
	// The node keeps the event.
	EmitWithAck(e *Event, timeout time.Duration, answer func(data []byte, attachments [][]byte)) int

	// ServerSideEmit delivers an event for the site's own code, not for clients:
	// a JSON array of its name and arguments, which the node keeps. answer is
	// nil unless the sender waits for an answer. Otherwise the node calls it
	// once with a JSON value, from any goroutine and at any time.
	ServerSideEmit(namespace string, data []byte, answer func(data []byte))
}

// Socket is a connection as other servers see it.
type Socket struct {
	ID    string
	Rooms []string
	// Handshake and Data are JSON: what is known of the request, as on the
	// official servers, and the values that the site has attached. Empty is {}. A
	// backend removes the headers cookie and authorization.
	Handshake, Data []byte
}
