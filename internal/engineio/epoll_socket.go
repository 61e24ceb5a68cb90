//go:build linux && !mojo_noepoll

package engineio

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// socket is a file descriptor for a plain TCP connection that only the engine
// has. Event loops read from it. Reads and writes do not use net.Conn, whose
// locks and poller take a tenth of the time of a small write. No other code can
// close the descriptor, so its number cannot become that of another connection.
type socket struct {
	// fd changes once, to -1, with session.mu held, when there is neither a
	// reader nor a writer. So the reader and the writer may use it without the
	// lock.
	fd    int
	owned bool // does not change
}

func (l *link) isOwned() bool { return l.owned }

func (l *link) canTryWrite() bool { return l.owned }

// adopt duplicates the descriptor of a plain TCP connection and closes conn, if
// an event loop can read the link.
func (l *link) adopt(conn net.Conn) bool {
	fd, err := duplicate(conn)
	if err != nil {
		return false
	}
	l.socket = socket{fd, true}
	if !l.session.engine.loops.reserve(l) {
		_ = syscall.Close(fd)
		l.socket = socket{}
		return false
	}
	_ = conn.Close()
	return true
}

// duplicate returns another descriptor of a plain TCP connection. Its number is
// not 0, 1 or 2: a write to an os.File 1 or 2 whose reader has closed it ends
// the process. It has no linger time, even if the site has called SetLinger:
// event loops close it, and closing must not wait.
func duplicate(conn net.Conn) (int, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	const lowest = 3
	var fd uintptr
	var errno syscall.Errno
	if err := raw.Control(func(old uintptr) {
		fd, _, errno = syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, lowest)
	}); err != nil {
		return 0, err
	}
	if errno != 0 {
		return 0, errno
	}
	_ = syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{})
	return int(fd), nil
}

// tryWrite writes as much as the socket takes. The claim to write keeps the
// descriptor from being closed meanwhile.
func (l *link) tryWrite(p []byte) (int, error) {
	write := syscall.Write
	if len(p) <= writeChunk {
		write = shortWrite
	}
	n, err := retry(write, l.fd, p)
	if errors.Is(err, syscall.EAGAIN) {
		return 0, nil
	}
	return n, err
}

// prepareBlockingLocked registers the descriptor with the runtime's poller,
// which writes that block need. session.mu must be held.
func (l *link) prepareBlockingLocked() {
	if l.owned && l.conn == nil {
		l.conn = os.NewFile(uintptr(l.fd), "websocket")
	}
}

func (l *link) shutWriteLocked() { l.shutdownLocked(syscall.SHUT_WR) }
func (l *link) shutBothLocked()  { l.shutdownLocked(syscall.SHUT_RDWR) }

func (l *link) shutdownLocked(how int) {
	if l.owned && l.fd >= 0 {
		_ = syscall.Shutdown(l.fd, how)
	}
}

func (l *link) closeOwnedLocked() {
	switch {
	case !l.owned || l.fd < 0:
		return
	case l.conn != nil:
		_ = l.conn.Close()
	default:
		_ = syscall.Close(l.fd)
	}
	l.fd = -1
}

// readBlocking reads a connection that has no socket of its own.
func (l *link) readBlocking() error { return l.readStream() }
