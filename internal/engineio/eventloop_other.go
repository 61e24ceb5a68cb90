//go:build !linux || mojo_noepoll

package engineio

// eventLoops is nothing here: every connection is read by a goroutine of its own.
type eventLoops struct{}

func newEventLoops() *eventLoops { return nil }

func (*eventLoops) add(*link) {}

func (*eventLoops) finish(l *link, err error) { l.over(err) }

type loopTurn struct{}

func (*loopTurn) leave() {}

type watchPlace struct{}

// notOwned says that the descriptor of a link stays its net.Conn's. What is for others is
// never called.
type notOwned struct{}

func (notOwned) isOwned() bool { return false }

func (notOwned) blocking() {}

func (notOwned) shutWrite() {}

func (notOwned) shutBoth() {}

func (notOwned) closeOwned() bool { return true }
