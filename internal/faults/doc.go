// Package faults tests mojo from outside against faults: clients that stop
// reading, vanish or all reconnect at the same time; networks that delay, lose,
// cut and reset; handlers that block, panic or call many methods at the same
// time; a shutdown at such a time; a process without free file descriptors. It
// exports nothing. Package hostile tests bad input. The table of
// docs/security.md names the test of each fault, in this package or another.
// internal/bench/limits measures the times. Large counts run at a fiftieth, and
// in full with MOJO_LONG=1 in the environment. With -tags netfaults there are
// also tests in their own network namespace.
package faults
