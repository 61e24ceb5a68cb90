// Package faults tests mojo from outside against what goes wrong without anybody's bad will: clients that
// stop reading, vanish or all return at once, networks that delay, lose, cut and reset, handlers that block,
// panic or do everything at once, a server that shuts down in the midst of it, a process that has no file
// descriptors left. It contains nothing to import. Bad input is the business of package hostile. The table of
// docs/security.md says which fault is shown by which test, of this package or another; the times in it are
// checked in internal/bench/limits. Large counts run at a fiftieth; with MOJO_LONG=1 in the environment in
// full. With -tags netfaults there are also tests in a network namespace of their own.
package faults
