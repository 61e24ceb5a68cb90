// Package cluster tests a cluster of servers of two kinds over one Redis: a Node
// server with the official @socket.io/redis-adapter, and two of mojo. Clients of
// the official socket.io-client are connected to each. Both kinds of servers, the
// official emitter and that of mojo emit, and each test looks at what each client
// gets. The package exports nothing.
//
// It needs redis-server and, as package interop, Node with npm. Without them the
// tests are skipped, or fail with MOJO_INTEROP=require in the environment.
//
// A test makes a cluster by start and uses its senders: see sender. Those of a
// kind of server alone are cluster.node, in JavaScript, and server.chat, in Go.
package cluster
