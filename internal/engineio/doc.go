// Package engineio is an Engine.IO server, protocol revision 4: sessions over
// HTTP long-polling and WebSocket, the upgrade from one to the other,
// heartbeats and bounded queues. It does not interpret messages; package
// socketio does.
//
// Lock order. A goroutine that holds one of these locks may take those below
// it:
//
//  1. Session.inbound, which keeps the messages of a session apart. It is the
//     only lock that is held while a Handler runs or while a link is written
//     to.
//  2. Session.mu, which guards the session, its probe and its links, see sessionMu.
//  3. The lock of the timing wheel, and flushList.mu.
//
// Engine.mu, eventLoop.mu, counters.mu and eventRate.mu are not in this order:
// a goroutine that holds one of them takes no other lock. Of the locks above it
// may hold Session.inbound only.
package engineio
