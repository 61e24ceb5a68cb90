// Package proof tests from outside that a connection gets a user only after it
// has proven that it belongs to the browser that has logged in.
package proof
