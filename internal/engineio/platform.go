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
// the third have in common. Everywhere there are connections, TLS for instance,
// of which only the net.Conn can be used: the link does not own the socket, and
// tryWrite must not be called.
type platform interface {
	// adopt prepares conn for non-blocking I/O, if that is possible. It reports
	// whether the link owns a socket from now on; in this case it has closed
	// conn.
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

	// watch makes an event loop read a link that owns its socket.
	watch()
	// unwatch undoes adopt and watch.
	unwatch()
	// readBlocking reads a link that does not own its socket, in the calling
	// goroutine. It returns when the connection ends.
	readBlocking() error

	// The shut methods end one or both directions of the connection, while the
	// reader and the writer may use it. closeOwnedLocked is called when there
	// is neither.
	shutWriteLocked()
	shutBothLocked()
	closeOwnedLocked()
}

var _ platform = (*link)(nil)
