// Package load is a load generator: thousands of clients of a Socket.IO server
// in one thread, which waits with epoll and reads into one buffer. It
// implements only those parts of WebSocket, HTTP, Engine.IO (revisions 3 and 4)
// and Socket.IO that clients need to connect, answer heartbeats and count
// messages. It checks little of what the server sends. It does not allocate
// memory for a message, so that it takes little CPU time.
//
// A Loop, its pools and their clients must be used by one goroutine. The
// package works on Linux only.
package load

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Loop waits for the sockets of any number of clients, and calls the clients to
// read.
type Loop struct {
	epoll   int
	events  [512]unix.EpollEvent
	buf     []byte
	sources []source              // the index is the id in an event; nil for ids that are free
	free    []int32               // ids without a source
	timed   []func(now time.Time) // called a few times per second

	wait time.Duration // the longest wait of epoll

	failure error // the first error of Fail

	// AfterBatch, if not nil, is called after the events of each call of epoll
	// have been handled.
	AfterBatch func()
}

// source is a socket in a Loop.
type source interface {
	ready(l *Loop, events uint32)
}

// readSize is the number of bytes of one read. The buffer is twice as large:
// its first half is for the remaining bytes of an earlier read.
const readSize = 64 << 10

// NewLoop returns a Loop without clients. It ties the goroutine to its thread.
// The Loop must be closed.
func NewLoop() (*Loop, error) {
	runtime.LockOSThread()
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &Loop{epoll: fd, buf: make([]byte, 2*readSize), wait: tick}, nil
}

// Close closes the Loop, but not its sockets.
func (l *Loop) Close() {
	_ = unix.Close(l.epoll)
	runtime.UnlockOSThread()
}

// add adds a socket and returns its id.
func (l *Loop) add(fd int, s source, events uint32) (id int32, err error) {
	if n := len(l.free); n > 0 {
		id = l.free[n-1]
		l.free = l.free[:n-1]
		l.sources[id] = s
	} else {
		id = int32(len(l.sources))
		l.sources = append(l.sources, s)
	}
	return id, unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: id})
}

// watch changes the events for which epoll waits on a socket.
func (l *Loop) watch(fd int, id int32, events uint32) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: id})
}

// remove closes fd, which also removes it from epoll.
func (l *Loop) remove(fd int, id int32) {
	_ = unix.Close(fd)
	l.sources[id] = nil
	l.free = append(l.free, id)
}

// Fail ends Run with an error. Only the first one counts.
func (l *Loop) Fail(err error) {
	if l.failure == nil {
		l.failure = err
	}
}

// ErrSilent is the error of Run if no client has received anything for too
// long.
var ErrSilent = errors.New("the server sends nothing")

// tick is the interval at which the Loop checks the time while there are no
// events.
const tick = 50 * time.Millisecond

// Run makes the clients read until done returns true, or until an error. It
// calls done after each batch of events. If patience is not 0 and no client
// reads anything for that time, it returns ErrSilent.
func (l *Loop) Run(patience time.Duration, done func() bool) error {
	now := time.Now()
	lastEvent, lastTick := now, now
	for batches := 0; ; batches++ {
		if l.failure != nil {
			return l.failure
		}
		if l.AfterBatch != nil {
			l.AfterBatch()
		}
		if done() {
			return nil
		}
		n, err := unix.EpollWait(l.epoll, l.events[:], int(l.wait/time.Millisecond))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll: %w", err)
		}
		for i := range max(n, 0) {
			e := &l.events[i]
			if s := l.sources[e.Fd]; s != nil {
				s.ready(l, e.Events)
			}
		}
		if n > 0 && batches%64 != 0 { // reading the clock takes as long as handling a message
			continue
		}
		now := time.Now()
		if n > 0 {
			lastEvent = now
		}
		if now.Sub(lastTick) >= tick {
			lastTick = now
			for _, f := range l.timed {
				f(now)
			}
		}
		if patience != 0 && now.Sub(lastEvent) > patience {
			return ErrSilent
		}
	}
}

// Wait runs the Loop for the time d.
func (l *Loop) Wait(d time.Duration) error {
	end := time.Now().Add(d)
	l.wait = max(min(d, tick), time.Millisecond)
	defer func() { l.wait = tick }()
	return l.Run(0, func() bool { return !time.Now().Before(end) })
}
