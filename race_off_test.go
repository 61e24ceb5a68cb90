//go:build !race

package mojo

// raceEnabled says that sync.Pool drops what it is given at random, so allocations vary.
const raceEnabled = false
