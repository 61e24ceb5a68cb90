// Package faults tests mojo from outside against faults without bad intent: clients that
// stop reading, vanish or all reconnect at once; networks that delay, lose, cut and
// reset; handlers that block, panic or do everything at once; a server that shuts down
// meanwhile; a process without free file descriptors. There is nothing to import.
// Package hostile tests bad input. The table of docs/security.md names the test of each
// fault, in this package or another; internal/bench/limits checks its times. Large
// counts run at a fiftieth, and in full with MOJO_LONG=1 in the environment. With
// -tags netfaults there are also tests in a network namespace of their own.
package faults
