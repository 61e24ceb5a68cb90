// Package crowd has clients for tests with thousands of connections, and runs
// them in a process of their own. So the server under test has the file
// descriptors, the heap and the scheduler of its process to itself.
//
// A Client has no goroutine, a small buffer, and only WebSocket as a transport.
// Package siotest has the complete client. The clients connect from several
// addresses of the loopback network: one address has ports for about 28,000
// connections, and the system keeps the port of a closed one for a minute.
package crowd
