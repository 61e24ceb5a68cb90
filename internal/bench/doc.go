// Command bench measures mojo beside its peers: the same load on each server in
// turn, in one run on one machine. What it prints are medians and, because
// machines drift and differ, ratios.
//
//	cd internal/bench
//	go run .                                                    # everything, five rounds: more than an hour
//	go run . -scenarios fanout1 -n 1000,5000 -servers mojo,bare,node -rounds 5
//	go run . -scenarios echo -duration 500ms -rounds 1          # seconds
//	go run . -json result.json                                  # every sample, too
//	go run . -scenarios echo -servers mojo -cpuprofile /tmp     # where the time goes
//	go run . -million                                           # a million sessions without sockets
//
// It needs Linux, and Node with npm for the peer in Node, whose packages are
// those of internal/interop. All traffic is on loopback.
//
// # Servers
//
// Each runs as a process of its own, started anew for each measurement.
//
//   - mojo, with sessions and users by cookies where the scenario has any
//   - bare: no Socket.IO at all, but the least that a server in Go can do: one goroutine per connection, and
//     one ready-made frame written to each net.Conn
//   - buffered: the same, but an echo takes one read, through a small buffer, where gobwas/ws as it is
//     documented takes several
//   - node: the official server, socket.io 4.8
//   - zishang520: github.com/zishang520/socket.io v3.0.2
//   - googollee: github.com/googollee/go-socket.io v1.7.0, with its protocol, Engine.IO 3
//
// # Scenarios
//
// The package prints their names with -h, and what they are above their tables.
// What is counted is CPU time of the server, in user and system mode, by the
// system's account; resident memory, likewise; and what got done per second,
// for which the load generator competes with the server. Within a round all
// servers are measured at a scenario before the next scenario; "mojo/bare" is
// the median of the ratios of each round.
//
// In fan-out the clients know each other's progress: the next event is sent
// when all have got one. The command tells the server so through a pipe.
//
// The load generator is package load: one thread, epoll, one buffer. How much
// of a core it used is in the JSON as load_cores: near 1 the rate is its own,
// but the CPU time of the server holds all the same.
//
// A failure is printed as a problem, and its cell stays empty: a client that is
// lost while live, an event that does not arrive, arrives elsewhere or changed.
package main
