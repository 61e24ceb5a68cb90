// Package limits tests from outside the bounds that Options.Limits sets.
package limits
