package siotest

import (
	"math"
	"testing"
)

// AllocsPerRun is testing.AllocsPerRun without the allocations of other
// goroutines: it returns the least of several measurements.
func AllocsPerRun(runs int, f func()) float64 {
	least := math.Inf(1)
	for range 10 {
		least = min(least, testing.AllocsPerRun(runs, f))
	}
	return least
}
