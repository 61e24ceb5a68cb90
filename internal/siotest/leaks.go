package siotest

// Lingering is the name of a function whose goroutines a leak check must
// ignore. After a refusal net/http keeps a connection for half a second, which
// is longer than the check waits.
const Lingering = "net/http.(*conn).closeWriteAndWait"
