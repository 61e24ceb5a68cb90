// Package lifecycle tests from outside how apps are mounted, and how
// connections begin and end.
package lifecycle
