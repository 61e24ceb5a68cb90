// Package code tests README.md and the pages in docs: that their Go code compiles,
// that the test in README passes, and that links lead somewhere.
//
// Run it with -count=1 or -shuffle=on: the go command does not notice that a page
// has changed, as pages are outside of this module, and repeats an old result.
package code
