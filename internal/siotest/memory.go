package siotest

import (
	"context"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// memoryBuffer is the number of bytes that one direction of an in-memory
// connection holds before writes wait.
const memoryBuffer = 64 << 10

// memoryListener is a net.Listener without a network. Its connections have
// buffers, unlike those of net.Pipe, for two reasons. First, a write returns
// before the other side reads, as on a real socket. Second, a client that stops
// reading fills a buffer of known size. They block only on channels, timers and
// sync.Cond, so a synctest bubble counts them as durably blocked.
type memoryListener struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
	ports  atomic.Int32
}

func newMemoryListener() *memoryListener {
	return &memoryListener{accept: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr("192.0.2.1:80") }

// dial opens a connection. readBuffer is the number of bytes that the server
// can send before the client reads; 0 means memoryBuffer.
func (l *memoryListener) dial(ctx context.Context, readBuffer int) (net.Conn, error) {
	if readBuffer <= 0 {
		readBuffer = memoryBuffer
	}
	down, up := newStream(readBuffer), newStream(memoryBuffer)
	port := strconv.Itoa(int(10000 + l.ports.Add(1)%50000))
	client := &memoryConn{in: down, out: up, local: memoryAddr("192.0.2.2:" + port), remote: l.Addr()}
	server := &memoryConn{in: up, out: down, local: l.Addr(), remote: client.local}
	select {
	case l.accept <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }

// memoryConn is one end of a connection.
type memoryConn struct {
	in, out       *stream
	local, remote net.Addr
}

func (c *memoryConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *memoryConn) Write(p []byte) (int, error) { return c.out.write(p) }
func (c *memoryConn) LocalAddr() net.Addr         { return c.local }
func (c *memoryConn) RemoteAddr() net.Addr        { return c.remote }

// Close closes both directions. The other end can still read everything that
// was written.
func (c *memoryConn) Close() error {
	c.out.closeWrite()
	c.in.closeRead()
	return nil
}

// CloseWrite closes the direction to the other end, which reads io.EOF after
// the last byte.
func (c *memoryConn) CloseWrite() error {
	c.out.closeWrite()
	return nil
}

func (c *memoryConn) SetDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	c.out.setWriteDeadline(t)
	return nil
}

func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.in.setReadDeadline(t)
	return nil
}

func (c *memoryConn) SetWriteDeadline(t time.Time) error {
	c.out.setWriteDeadline(t)
	return nil
}

// stream is one direction of a connection: a bounded buffer with deadlines.
type stream struct {
	mu            sync.Mutex // guards the fields below
	changed       sync.Cond
	buf           []byte
	size          int
	readClosed    bool
	writeClosed   bool
	readDeadline  deadline
	writeDeadline deadline
	writer        chan struct{} // a lock: full during a write, so that concurrent writes do not mix
}

func newStream(size int) *stream {
	s := &stream{size: size, writer: make(chan struct{}, 1)}
	s.changed.L = &s.mu
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.readClosed:
			return 0, net.ErrClosed
		case s.readDeadline.passed:
			return 0, os.ErrDeadlineExceeded
		case len(s.buf) > 0:
			n := copy(p, s.buf)
			if s.buf = s.buf[n:]; len(s.buf) == 0 {
				s.buf = nil
			}
			s.changed.Broadcast()
			return n, nil
		case s.writeClosed:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		s.changed.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.writer <- struct{}{}
	defer func() { <-s.writer }()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.writeClosed:
			return n, net.ErrClosed
		case s.writeDeadline.passed:
			return n, os.ErrDeadlineExceeded
		case s.readClosed:
			return n, io.ErrClosedPipe
		case n == len(p):
			return n, nil
		}
		if room := s.size - len(s.buf); room > 0 {
			more := min(room, len(p)-n)
			s.buf = append(s.buf, p[n:n+more]...)
			n += more
			s.changed.Broadcast()
			continue
		}
		s.changed.Wait()
	}
}

func (s *stream) closeRead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readClosed = true
	s.readDeadline.stop()
	s.buf = nil
	s.changed.Broadcast()
}

func (s *stream) closeWrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeClosed = true
	s.writeDeadline.stop()
	s.changed.Broadcast()
}

func (s *stream) setReadDeadline(t time.Time)  { s.setDeadline(&s.readDeadline, t) }
func (s *stream) setWriteDeadline(t time.Time) { s.setDeadline(&s.writeDeadline, t) }

func (s *stream) setDeadline(d *deadline, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.stop()
	d.passed = false
	if !t.IsZero() {
		if remaining := time.Until(t); remaining <= 0 {
			d.passed = true
		} else {
			d.round++
			round := d.round
			d.timer = time.AfterFunc(remaining, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				if d.round == round && d.timer != nil {
					d.passed = true
					s.changed.Broadcast()
				}
			})
		}
	}
	s.changed.Broadcast()
}

// deadline is the read or write deadline of a stream, whose lock guards it.
// round tells a timer that fires late from the current one.
type deadline struct {
	timer  *time.Timer
	round  int
	passed bool
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
