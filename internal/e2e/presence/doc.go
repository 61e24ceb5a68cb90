// Package presence tests from outside who is said to be online.
package presence
