// Package testhook has settings of package mojo that only tests change. A test
// changes them before it makes a Server.
package testhook

import "time"

// AskTime is the time that a page has for its first answer to an IdentityEvent.
// After it the server closes the WebSocket of a page that has not answered.
// Tests on slow machines set it higher.
var AskTime = 500 * time.Millisecond
