//go:build !race

package parser

// raceEnabled says that sync.Pool drops what it is given at random, so allocations vary.
const raceEnabled = false
