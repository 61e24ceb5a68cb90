// Package hostile tests mojo from outside against bad input: it sends to a
// public Server, over real sockets, what no well-behaved client sends. It
// exports nothing. After each test the process must use no more than before,
// see testSite. The tables of docs/security.md name the test of each line, in
// this package or another. Large counts run at a fiftieth, and in full with
// MOJO_LONG=1 in the environment.
package hostile
