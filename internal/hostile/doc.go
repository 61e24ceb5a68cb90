// Package hostile tests mojo from outside against bad input: what no
// well-behaved client sends, over real sockets, to a public Server. There is
// nothing to import. After each case nothing may be left of it, see testSite.
// The tables of docs/security.md name the test of each line, in this package or
// another. Large counts run at a fiftieth, and in full with MOJO_LONG=1 in the
// environment.
package hostile
