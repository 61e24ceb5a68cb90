// Package identity tests from outside sessions and logins: how they begin,
// change and are renewed, and that each connection follows.
package identity
