//go:build race

package hostile

// raceCost is how many times more memory things take.
const raceCost = 2
