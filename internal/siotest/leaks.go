package siotest

import "go.uber.org/goleak"

// Lingering is what a leak check leaves aside: after a refusal net/http keeps a
// connection for half a second, which is longer than the check looks for.
func Lingering() goleak.Option {
	return goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait")
}
