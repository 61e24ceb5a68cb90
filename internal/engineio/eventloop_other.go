//go:build !linux || mojo_noepoll

package engineio

// eventLoops is nothing here: every connection is read by a goroutine of its own.
type eventLoops struct{}

func newEventLoops() *eventLoops { return nil }

func (*eventLoops) add(*link) bool { return false }

func (*eventLoops) finish(*link, error) {}

type watchPlace struct{}

type loopTurn struct{}

func (*loopTurn) leave() {}
