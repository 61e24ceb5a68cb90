// Package limits holds mojo to the times that docs/security.md names, for
// faults and for bad input: how long a megabyte of the worst may take, and that
// twice as much takes no more than three times as long. It contains nothing to
// import. Run it alone and without the race detector:
//
//	go test ./limits
//
// Each time is the best of several, so that what else the machine does is not
// measured.
package limits
