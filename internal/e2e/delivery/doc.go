// Package delivery tests from outside that messages, acknowledgements and
// broadcasts arrive: to whom, in which order, how often, and under load.
package delivery
