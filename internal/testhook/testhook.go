// Package testhook holds the settings of package mojo that only tests change. A
// test changes them before it makes a Server.
package testhook

import "time"

// AskTime is how long a page has to answer an IdentityEvent for the first time,
// if it knows how to, before its WebSocket is closed. Tests on slow machines
// set it higher.
var AskTime = 500 * time.Millisecond
