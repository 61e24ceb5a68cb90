// Package race says whether the race detector is on. Under it sync.Pool drops
// values at random, so allocations vary, and everything takes longer.
package race
