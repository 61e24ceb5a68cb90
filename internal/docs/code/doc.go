// Package code tests README.md and the pages in docs: their Go code must
// compile, the test in README must pass, and the targets of links must exist.
//
// Run it with -count=1 or -shuffle=on. Without them the go command repeats an
// old result when a page has changed, because the pages are outside of this
// module.
package code
