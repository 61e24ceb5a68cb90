// Package proof tests from outside that a connection becomes a user only when
// it proves to be of the browser that has logged in.
package proof
