//go:build !linux || mojo_noepoll

package engineio

// eventLoops is empty here: each connection has a goroutine that reads it.
type eventLoops struct{}

func newEventLoops() *eventLoops { return nil }

// loopTurn is empty here: Session.turn is always nil.
type loopTurn struct{}

func (*loopTurn) handOver() {}

type watchEntry struct{}

// notOwned has the methods of a socket that a link does not own, see platform.
type notOwned struct{}

func (notOwned) isOwned() bool          { return false }
func (notOwned) watch()                 {}
func (notOwned) unwatch()               {}
func (notOwned) prepareBlockingLocked() {}
func (notOwned) shutWriteLocked()       {}
func (notOwned) shutBothLocked()        {}
func (notOwned) closeOwnedLocked()      {}
