package siotest

// Lingering is a function that a leak check has to ignore, at the top of a stack
// or below: after a refusal net/http keeps a connection for half a second, which
// is longer than the check waits.
const Lingering = "net/http.(*conn).closeWriteAndWait"
