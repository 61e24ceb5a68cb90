// Package revocation tests from outside that sessions and logins end: by
// Revoke, by Options.Revalidate, and in time.
package revocation
