// Package delivery tests from outside how messages, acks and broadcasts arrive:
// at which clients, in which order, how often, and under load.
package delivery
