//go:build linux && !mojo_noepoll

package engineio

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// descriptor is the engine's own file descriptor of a plain TCP connection: reads are an
// event loop's, and neither reads nor writes pass through net.Conn, whose locks and
// poller cost a tenth of a small write. As nobody else has the descriptor, nobody
// else can close it and let its number become that of another connection.
type descriptor struct {
	// fd changes once, to -1, under session.mu, when neither who reads nor who writes is
	// left: these two may use it without.
	fd    int
	owned bool // never changes
}

func (d *descriptor) isOwned() bool { return d.owned }

// adopt makes the descriptor of conn the link's own, if this kind of connection has one
// and an event loop can be had for it. The net.Conn is closed then.
func (l *link) adopt(conn net.Conn) bool {
	fd, err := duplicate(conn)
	if err != nil {
		return false
	}
	l.descriptor = descriptor{fd, true}
	if !l.session.engine.loops.reserve(l) {
		_ = syscall.Close(fd)
		l.descriptor = descriptor{}
		return false
	}
	_ = conn.Close()
	return true
}

// duplicate returns another descriptor of a plain TCP connection. An os.File of number 1 or
// 2 would end the process if it is written to when its reader is gone, so it is neither. To
// close it takes no time, whatever the site has set: that is done by event loops.
func duplicate(conn net.Conn) (int, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	const least = 3
	var fd uintptr
	var errno syscall.Errno
	if err := raw.Control(func(old uintptr) {
		fd, _, errno = syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, least)
	}); err != nil {
		return 0, err
	}
	if errno != 0 {
		return 0, errno
	}
	_ = syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{})
	return int(fd), nil
}

// direct reports whether tryWrite can be used.
func (l *link) direct() bool { return l.owned }

// tryWrite writes what the socket takes at once. The caller has claimed the link, which
// keeps the descriptor from being closed.
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

// blocking makes l.conn what blocking writes need, for which the runtime has to know the
// descriptor. It needs session.mu.
func (l *link) blocking() {
	if l.owned && l.conn == nil {
		l.conn = os.NewFile(uintptr(l.fd), "websocket")
	}
}

// shutWrite ends the sending side, and shutBoth both, of which whoever reads or writes
// hears. They need session.mu, and a descriptor that is owned.
func (d *descriptor) shutWrite() { d.shutdown(syscall.SHUT_WR) }
func (d *descriptor) shutBoth()  { d.shutdown(syscall.SHUT_RDWR) }

func (d *descriptor) shutdown(how int) {
	if d.fd >= 0 {
		_ = syscall.Shutdown(d.fd, how)
	}
}

// closeOwned closes the descriptor when nobody uses it any more, and reports false if
// somebody does, who has to call it then. It needs session.mu.
func (l *link) closeOwned() bool {
	switch {
	case l.fd < 0:
		return true
	case l.writing:
		l.shutBoth() // so that a write that blocks fails
		return false
	case l.conn != nil:
		_ = l.conn.Close()
	default:
		_ = syscall.Close(l.fd)
	}
	l.fd = -1
	return true
}

// readAlone is for a connection that has no descriptor of its own.
func (l *link) readAlone() error { return l.readStream() }
