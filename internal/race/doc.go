// Package race tells tests whether the race detector is on. With the race
// detector sync.Pool drops values at random, so the number of allocations
// varies, and all code is slower.
package race
