// Package presence tests from outside the reports of who is online.
package presence
