// Package cluster makes a server one of several nodes that serve one set of
// people. It knows the other nodes (package members) and who is connected to
// them (package directory), passes commands on, waits until they are confirmed,
// and applies those of others.
//
// It knows no protocol of clients. The layer above implements Local, and calls
// the methods of Node after it has applied a command itself.
//
// Locks, in this order:
//
//  1. Node.changes guards no field. It is held while the members change and
//     until the change is complete.
//  2. Node.entries.mu guards entries.entriesByMu. It is held while entries of
//     the directory change and while these changes are put into the outbox, so
//     that both happen in one order.
//  3. serving.mu guards serving.servingByMu.
//  4. Node.mu guards Node.nodeByMu.
//  5. outbox.mu guards outbox.outboxByMu.
//  6. The locks of the packages directory and answers.
//
// No method of Local or of a Link is called with a lock held, with the
// exception of Local.TakeChanges and cluster.Occupier.Occupy: entries.mu is held
// for both.
package cluster
