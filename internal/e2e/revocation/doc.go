// Package revocation tests from outside how sessions and logins end: by Revoke,
// by Options.Revalidation, and by expiry.
package revocation
