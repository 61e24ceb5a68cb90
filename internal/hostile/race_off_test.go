//go:build !race

package hostile

// raceCost is how many times more memory things take under the race detector.
const raceCost = 1
