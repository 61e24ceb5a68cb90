// Package testhook has settings of package mojo that only tests change. A test
// changes them before it makes a Server.
package testhook

import "time"

// AskTime is the time that a page has for its first answer to an IdentityEvent.
// After it the server closes the WebSocket of a page that has not answered.
// Tests on slow machines set it higher.
var AskTime = 500 * time.Millisecond

// Barrier is a namespace that no Server mounts. The clients of tests send it a
// CONNECT, whose refusal tells them that the Server has read all earlier
// messages. A Server neither logs nor counts these refusals. Package siotest
// sets Barrier; outside of tests it is empty, and no namespace is treated like
// this.
var Barrier string
