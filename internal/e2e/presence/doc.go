// Package presence tests from outside the reports of users and sessions that
// come online and go offline.
package presence
