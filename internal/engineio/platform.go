package engineio

import "net"

// platform has the methods that an operating system supplies for each link.
// There are three implementations, in files that are named after their
// mechanism:
//
//   - epoll_*.go (Linux): the link owns the file descriptor. Event loops read.
//   - rawconn.go (other Unix systems): system calls on the descriptor of the
//     net.Conn. A goroutine reads.
//   - netconn.go (others): blocking calls on the net.Conn.
//
// Where there are no event loops, no_epoll.go has the parts that the second and
// the third have in common. On each of them there are connections, TLS for
// instance, of which only the net.Conn can be used: no socket is owned then,
// and tryWrite cannot be called.
type platform interface {
	// adopt prepares conn for non-blocking I/O, if it can be used that way. It
	// reports whether the link has its own socket from now on; conn has been
	// closed then.
	adopt(conn net.Conn) (owned bool)
	// isOwned returns the result of adopt. The methods whose names end in
	// Locked do nothing if it is false.
	isOwned() bool

	// canTryWrite reports whether tryWrite may be called.
	canTryWrite() bool
	// tryWrite writes as much as the socket takes without waiting. The claim to
	// write must be held.
	tryWrite(p []byte) (n int, err error)
	// prepareBlockingLocked makes l.conn a connection whose writes block.
	prepareBlockingLocked()

	// watch makes an event loop read. A link that does not own its socket is
	// read by readAlone, which returns when the connection ends.
	watch()
	// unwatch undoes adopt and watch.
	unwatch()
	readAlone() error

	// The socket may be shut while others use it. It is closed after all
	// others.
	shutWriteLocked()
	shutBothLocked()
	closeOwnedLocked()
}

var _ platform = (*link)(nil)
