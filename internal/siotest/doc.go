// Package siotest is for tests only: a small Socket.IO client in Go, and the
// networks on which a server under test listens.
//
// It is written from the protocol texts (Engine.IO revision 4, Socket.IO
// revision 5) and shares no code with the server, so that each checks the
// other. It is strict: a masked frame, a packet that does not parse, text
// between a header and its attachments, a reserved event name or an ack of no
// event ends the connection with ReasonError, and Engine.Err says why.
//
// Package mojotest is the public test kit. It uses this package for its
// connections.
//
// There are three layers, each usable alone: Serve and Site (an http.Handler on
// a Network), Open and Engine (Engine.IO), Dial, Client and Socket (Socket.IO).
//
// Methods without an error result can fail the test, so call them in the test's
// goroutine. Nothing sleeps: a method that waits fails after Site.Limit. On the
// network Memory everything works in a testing/synctest bubble.
package siotest
