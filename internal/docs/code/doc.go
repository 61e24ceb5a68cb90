// Package code tests that the Go code in README.md and in docs compiles.
package code
