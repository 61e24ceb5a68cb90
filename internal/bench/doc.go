// Command bench compares mojo with other servers: it puts the same load on each
// server in turn, in one run on one machine. It prints medians and, because
// machines differ and their speed changes, ratios.
//
//	cd internal/bench
//	go run .                                                    # everything, five rounds: more than an hour
//	go run . -scenarios fanout1 -n 1000,5000 -servers mojo,bare,node -rounds 5
//	go run . -scenarios echo -duration 500ms -rounds 1          # seconds
//	go run . -json result.json                                  # also writes all samples
//	go run . -scenarios echo -servers mojo -cpuprofile /tmp     # with a CPU profile
//	go run . -scenarios cluster -rounds 3                       # three nodes over Redis
//	go run . -million                                           # a million sessions without sockets
//
// It needs Linux, and Node with npm for the server in Node, which uses the
// packages of internal/interop. The scenarios of a cluster need redis-server.
// All traffic is on loopback.
//
// # Servers
//
// Each server runs in a process of its own, which is started for each
// measurement.
//
//   - mojo; cookies name the session and the user, if the scenario has any
//   - bare: a WebSocket server without Socket.IO that does as little as
//     possible: one goroutine per connection, and one prepared frame that is
//     written to each net.Conn
//   - buffered: the same, but an echo takes one read, through a small buffer,
//     and not several, as in the documentation of gobwas/ws
//   - node: the official server, socket.io 4.8
//   - zishang520: github.com/zishang520/socket.io v3.0.2
//   - googollee: github.com/googollee/go-socket.io v1.7.0, which speaks Engine.IO 3
//   - mojo-alone: mojo, for comparison in scenarios of a cluster: one process
//     with the clients of all nodes
//
// # Scenarios
//
// The flag -h prints the names of the scenarios. A description of each stands
// above its tables. The command measures the CPU time of the server, in user
// and system mode, and its resident memory, as the system reports them. It also
// measures the rate, for which the load generator competes with the server for
// processors. In each round, all servers run a scenario before the next
// scenario begins. "mojo/bare" is the median of the ratios of the rounds.
//
// In fan-out, the next event is sent when all clients have received an event.
// The command sends the order for it to the server through a pipe.
//
// # Clusters
//
// The name "cluster" in the flag -scenarios means all scenarios whose names
// begin with it. There, mojo and node are three processes each, and a
// redis-server of their own connects them: mojo by package mojoredis, and node
// by @socket.io/redis-adapter 8.3.0 with the packages of
// mojoredis/testdata/interop. The flag -n is the number of clients of one node.
// The CPU time is that of all three processes. That of the broker is printed
// beside it, and so are the bytes that the broker has received and sent, as its
// command INFO tells them. The bytes have the heartbeats of the nodes in them.
//
// cluster-latency measures each event at clients of the node that sends it and
// at clients of another node, so that "the difference" is what the broker adds.
// cluster-user counts what a node gets that has none of the users: messages that
// its Bus delivers, and all bytes on its connections. How much memory a session
// takes on other nodes is measured by the benchmarks of
// internal/cluster/directory:
//
//	go test -run '^$' -bench Memory ../cluster/directory
//
// The load generator is package load: one thread, epoll, one buffer. In the
// JSON, load_cores is the part of a core that it used. Near 1, the load
// generator limits the rate; the CPU time of the server is valid nevertheless.
//
// A failure is printed as a problem, and its cell stays empty. Failures are: a
// live client loses its connection; an event does not arrive, arrives at
// another client, or has changed.
package main
