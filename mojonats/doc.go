// Package mojonats connects Servers in several processes over NATS, so that they
// serve one set of people. It is a module of its own, so that mojo itself does
// not depend on a client of NATS:
//
//	conn, err := nats.Connect("nats://127.0.0.1:4222", nats.MaxReconnects(-1))
//	...
//	srv, err := mojo.New(mojo.Options{Cluster: mojonats.New(conn, mojonats.Options{}), ...})
//
// All Servers of a cluster use the same NATS, one server or a cluster of several,
// and the same Options.Prefix. They need no JetStream: nothing is stored.
//
// # Subjects
//
// Under the prefix, here the default, a Server is subscribed to
//
//	mojo.all                       what all get
//	mojo.node.NAME                 what it gets alone
//	mojo.in.NAMESPACE              events for a namespace, and for several rooms of it
//	mojo.room.NAMESPACE.ROOM       events for one room that has connections of this Server
//
// So an event for a room goes to the Servers that have somebody in it, and to no
// others. A Server gets the events for a room from the moment at which NATS has
// its subscription, about a millisecond after Join. Namespaces have no slash in
// front there, and what a subject cannot have is encoded: a byte as "=" and two
// hexadecimal digits, a long name as a hash.
//
// The user needs permission to publish on and to subscribe to "mojo.>". Who has
// it can send events, and can keep Servers from talking to each other. What logs
// people in and out is sealed by the Server.
//
// # Connections to NATS
//
// Each Server has one connection of its own. If it is lost, clients are still
// served with what their own process emits, and the connection is made anew.
// NATS keeps no messages: what is published meanwhile does not arrive later.
//
// Messages are numbered, so that a Server finds out when some are lost between
// the servers of NATS, too.
package mojonats
