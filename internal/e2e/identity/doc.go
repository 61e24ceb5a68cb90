// Package identity tests from outside how sessions and logins begin, change and
// are renewed, and how connections get the new identity.
package identity
