// Package hostile tests mojo from outside against bad input: what no client of good will sends, over real sockets,
// through the public Server. It contains nothing to import. After every case nothing may be left of it: see ground.
// The tables of docs/security.md say which line is shown by which test, of this package or another. Large counts run
// at a fiftieth; with MOJO_LONG=1 in the environment in full.
package hostile
