// Package code tests README.md and the pages in docs: that their Go code compiles,
// that the test in README passes, and that links lead somewhere.
package code
