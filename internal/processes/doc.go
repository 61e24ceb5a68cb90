// Package processes tests a cluster of real processes over a real Redis: they
// are killed, stopped and cut off, and the broker is.
//
// The test binary starts itself for each node. A test tells the nodes by
// [net/rpc] over a pipe what to do, and connects clients to them over TCP.
//
// The tests need redis-server. They use small counts and short times; with
// MOJO_LONG=1 in the environment they use the full ones, and assert how long
// things may take. Otherwise they log that.
package processes
