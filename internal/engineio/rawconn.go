//go:build unix && (!linux || mojo_noepoll)

package engineio

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

// socket reads and writes a plain TCP connection without blocking. The net.Conn
// keeps the descriptor.
type socket struct {
	notOwned
	raw syscall.RawConn // nil for other connections
}

func (l *link) adopt(conn net.Conn) bool {
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			l.raw = raw
		}
	}
	return false
}

func (l *link) canTryWrite() bool { return l.raw != nil }

func (l *link) readBlocking() error {
	if l.raw == nil {
		return l.readStream()
	}
	return l.readRaw()
}

// readRaw reads until the connection or the link ends. It waits without a
// buffer, and takes one only when there is something to read.
func (l *link) readRaw() error {
	var (
		buf *readBuffer
		n   int
		err error

		pace pacer
	)
	onReadable := func(fd uintptr) bool {
		buf = readBuffers.Get().(*readBuffer)
		n, err = retry(syscall.Read, int(fd), buf.data[:])
		if errors.Is(err, syscall.EAGAIN) {
			readBuffers.Put(buf)
			buf = nil
			return false
		}
		return true
	}
	for {
		if waitErr := l.raw.Read(onReadable); waitErr != nil {
			return waitErr
		}
		before := buf.scratch.Frames
		keepReading := err == nil && n > 0 && l.lockAndHandleAll(buf, buf.data[:n])
		cost := n + (buf.scratch.Frames-before)*frameCost
		readBuffers.Put(buf)
		buf = nil
		switch {
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		case !keepReading:
			return nil
		}
		pace.add(l.session, cost)
	}
}

// writeOp is one non-blocking write. It is pooled because its method value,
// which RawConn.Write takes, would be allocated for each write otherwise.
type writeOp struct {
	p   []byte
	n   int
	err error
	do  func(fd uintptr) bool
}

var writeOps = sync.Pool{New: func() any {
	op := new(writeOp)
	op.do = op.write
	return op
}}

func (op *writeOp) write(fd uintptr) bool {
	op.n, op.err = retry(syscall.Write, int(fd), op.p)
	if errors.Is(op.err, syscall.EAGAIN) {
		op.n, op.err = 0, nil
	}
	return true // also if the socket did not take everything: RawConn must not wait
}

func (l *link) tryWrite(p []byte) (int, error) {
	op := writeOps.Get().(*writeOp)
	op.p = p
	err := l.raw.Write(op.do)
	if err == nil {
		err = op.err
	}
	n := op.n
	op.p, op.n, op.err = nil, 0, nil
	writeOps.Put(op)
	return n, err
}
