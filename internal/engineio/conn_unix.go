//go:build unix

package engineio

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

// rawOf returns the raw connection under a plain TCP one, and nil for any other.
func rawOf(conn net.Conn) syscall.RawConn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readRaw reads until the connection ends or feed says to stop. It waits without
// a buffer and takes one only when there is something to read.
func (l *link) readRaw(feed func(*readBuffer, []byte) bool) error {
	var (
		buf *readBuffer
		n   int
		err error
	)
	onReadable := func(fd uintptr) bool {
		buf = readBuffers.Get().(*readBuffer)
		n, err = retry(syscall.Read, fd, buf.data[:])
		if errors.Is(err, syscall.EAGAIN) {
			readBuffers.Put(buf)
			buf = nil
			return false
		}
		return true
	}
	for {
		if waited := l.raw.Read(onReadable); waited != nil {
			return waited
		}
		goOn := err == nil && n > 0 && feed(buf, buf.data[:n])
		readBuffers.Put(buf)
		buf = nil
		switch {
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		case !goOn:
			return nil
		}
	}
}

// writeOp is one non-blocking write. It is pooled because its method value, which
// RawConn.Write wants, would be allocated for each write otherwise.
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
	op.n, op.err = retry(syscall.Write, fd, op.p)
	if errors.Is(op.err, syscall.EAGAIN) {
		op.n, op.err = 0, nil
	}
	return true // whether or not the socket took all: nobody waits here
}

// tryWrite writes what the socket takes at once.
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

func retry(call func(int, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		n, err := call(int(fd), p)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}
