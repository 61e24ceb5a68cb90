// Package limits tests the times that docs/security.md names, for faults and
// for bad input: a megabyte of bad input is handled within a limit, and twice
// as much takes at most three times as long. It has only tests. Run it alone
// and without the race detector:
//
//	go test ./limits
//
// Each time is the shortest of several measurements, so that other load of the
// machine does not count.
package limits
