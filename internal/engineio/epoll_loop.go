//go:build linux && !mojo_noepoll

package engineio

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mojosocket/mojo/internal/fifo"
)

// eventLoops read plain TCP connections. A goroutine for each connection would
// take more than half of the memory of an idle connection, and its stack would
// be scanned in each garbage collection. An event loop is one goroutine with an
// epoll instance. The runtime waits for the instance, as for any file. A loop
// without connections has no goroutine and no instance.
type eventLoops struct {
	shards []eventLoop // the slice does not change
	next   atomic.Uint32
}

func newEventLoops() *eventLoops {
	return &eventLoops{shards: make([]eventLoop, (runtime.GOMAXPROCS(0)+1)/2)}
}

// reserve gives l a number in one of the loops. It returns false if the loop
// cannot be started.
func (e *eventLoops) reserve(l *link) bool {
	return e.shards[e.next.Add(1)%uint32(len(e.shards))].reserve(l)
}

// watch makes the goroutine of its loop read the link from now on.
func (l *link) watch() {
	set := l.watched.set
	set.loop.mu.Lock() // the goroutine of the loop locks it, too, and so sees what this goroutine has changed in l
	err := set.control(syscall.EPOLL_CTL_ADD, l)
	set.loop.mu.Unlock()
	if err != nil {
		l.endReading(err)
	}
}

// unwatch removes the link from its loop.
func (l *link) unwatch() {
	if l.owned {
		l.watched.set.remove(l)
	}
}

type eventLoop struct {
	mu  sync.Mutex // guards set, and the fields links and free of the watchSet
	set *watchSet  // nil without links
}

// watchSet is the links of one epoll instance. When the last link is removed,
// the instance is closed and not used again, so that events which the goroutine
// has already received are never mistaken for events of later links.
type watchSet struct {
	loop *eventLoop
	fd   int             // the epoll instance
	file *os.File        // the same, with deadlines
	raw  syscall.RawConn // the same, to wait for it

	// loop.mu guards the fields below.
	links []*link // the index is the number of a link in its events
	free  []int32 // numbers without a link

	// Only the goroutine of the loop uses the fields below.
	//
	// postponed has the links that have sent more than is handled in a turn, in
	// the order in which they are served next. Epoll does not watch them.
	postponed fifo.Queue[postponedLink]
	allowed   time.Time // when the portions handled so far would be due at an even rate
	resume    time.Time // the end of a pause from postponed links
}

// A loop handles pauseAfter portions of postponed links in each pauseTime. It
// may be ahead of that by pauseAhead, so that one large message does not wait.
// If it is further ahead, it pauses for pauseTime. Meanwhile it serves the
// other links, and leaves a processor to other goroutines: as long as there are
// goroutines that can run, the runtime seldom checks for goroutines that wait
// for other connections.
const (
	pauseAfter = 3
	pauseTime  = time.Millisecond
	pauseAhead = 6 * pauseTime
)

// postponedLink is a link that has sent more than is handled in a turn.
type postponedLink struct {
	link *link
	buf  *readBuffer // nil if rest is empty
	rest []byte      // bytes in buf that were read but not handled
}

// watchEntry is the place of a link in a watchSet, after reserve.
type watchEntry struct {
	set    *watchSet
	number int32
}

func (e *eventLoop) reserve(l *link) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.set == nil {
		set, err := newWatchSet(e)
		if err != nil { // most likely the process cannot open more files
			return false
		}
		e.set = set
		go set.work()
	}
	e.set.enterLocked(l)
	return true
}

func newWatchSet(e *eventLoop) (*watchSet, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	// The runtime waits only for non-blocking descriptors.
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "epoll")
	if err := file.SetReadDeadline(time.Time{}); err != nil { // the runtime cannot wait for it
		_ = file.Close()
		return nil, err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &watchSet{loop: e, fd: fd, file: file, raw: raw}, nil
}

// enterLocked adds a link and gives it a number. eventLoop.mu must be held.
func (set *watchSet) enterLocked(l *link) {
	last := len(set.free) - 1
	if last < 0 {
		last = 0
		set.free = append(set.free, int32(len(set.links)))
		set.links = append(set.links, nil)
	}
	l.watched = watchEntry{set, set.free[last]}
	set.links[l.watched.number] = l
	set.free = set.free[:last]
}

// remove removes a link whose connection is about to be closed. It is not
// enough to close the descriptor: if there were a copy of it, epoll would
// report it for ever.
func (set *watchSet) remove(l *link) {
	e := set.loop
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = set.control(syscall.EPOLL_CTL_DEL, l)
	set.links[l.watched.number] = nil
	set.free = append(set.free, l.watched.number)
	if len(set.free) == len(set.links) {
		e.set = nil
		_ = set.file.Close()
	}
}

// control adds a link to those that epoll watches, or removes it. The epoll
// instance exists as long as there is a link.
func (set *watchSet) control(op int, l *link) error {
	return syscall.EpollCtl(set.fd, op, l.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: l.watched.number})
}

// loopBatch is the number of links that a loop reads before it yields to the
// goroutines that run the handlers. The layer above keeps such goroutines for
// the next batch, but only a limited number of them.
const loopBatch = 8

// loopTurn is the working memory of the goroutine of an event loop.
type loopTurn struct {
	set             *watchSet
	link            *link // the link that is being read
	servesPostponed bool  // a postponed link is served in this turn
	handedOver      bool  // this goroutine reads only link; another one runs the loop
	events          [loopBatch]syscall.EpollEvent
	links           [loopBatch]*link
	n               int // of events, and of links
	buf             *readBuffer
}

// work reads the readable links until the set is closed.
//
// After each batch of other links it serves one postponed link, but none during
// a pause. So the other links wait for one postponed link, however many there
// are.
func (set *watchSet) work() {
	t := &loopTurn{set: set, buf: readBuffers.Get().(*readBuffer)}
	defer func() { readBuffers.Put(t.buf) }()
	for t.await() {
		set.loop.mu.Lock()
		for i, ev := range t.events[:t.n] {
			t.links[i] = set.links[ev.Fd]
		}
		set.loop.mu.Unlock()
		for _, l := range t.links[:t.n] {
			if l == nil {
				continue
			}
			if t.serve(postponedLink{link: l}, true); t.handedOver {
				return
			}
		}
		clear(t.links[:t.n])
		if t.servesPostponed {
			set.countPortion(time.Now())
			if t.serve(set.postponed.Pop(), false); t.handedOver {
				return
			}
		}
		runtime.Gosched() // to the goroutines that handle the messages
	}
}

// countPortion counts a portion of a postponed link. The loop may have to pause
// after it.
func (set *watchSet) countPortion(now time.Time) {
	if set.allowed.Before(now) {
		set.allowed = now
	}
	set.allowed = set.allowed.Add(pauseTime / pauseAfter)
	if set.allowed.Sub(now) >= pauseAhead {
		set.resume = now.Add(pauseTime)
	}
}

// await waits until there is something to do. It returns false when the set is
// closed.
func (t *loopTurn) await() bool {
	set := t.set
	t.servesPostponed = set.postponed.Len() > 0
	if !t.servesPostponed || !time.Now().Before(set.resume) {
		return set.raw.Read(t.wait) == nil
	}
	t.servesPostponed = false
	_ = set.file.SetReadDeadline(set.resume)
	err := set.raw.Read(t.wait)
	_ = set.file.SetReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.n, t.servesPostponed, err = 0, true, nil
	}
	return err == nil
}

// wait receives events. The runtime calls it until it reports true: there is
// something to do.
func (t *loopTurn) wait(epfd uintptr) bool {
	n, err := syscall.EpollWait(int(epfd), t.events[:], 0)
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.EpollWait(int(epfd), t.events[:], 0)
	}
	t.n = max(n, 0)
	return t.n > 0 || t.servesPostponed
}

// serve handles a portion of the bytes that a client has sent. It reads from
// the link, unless bytes of an earlier read are left. The parameter watched
// says whether epoll watches the link.
func (t *loopTurn) serve(u postponedLink, watched bool) {
	l := u.link
	if u.buf != nil {
		readBuffers.Put(t.buf)
		t.buf = u.buf
	}
	if l.state.get() == linkDead {
		l.endReading(net.ErrClosed)
		return
	}
	t.link = l
	defer func() { t.link = nil }()
	p, isFull := u.rest, false
	if len(p) == 0 {
		n, err := retry(syscall.Read, l.fd, t.buf.data[:])
		switch {
		case errors.Is(err, syscall.EAGAIN):
			if !watched {
				l.watch()
			}
			return
		case err == nil && n == 0:
			err = io.EOF
		}
		if err != nil {
			l.endReading(err)
			return
		}
		p, isFull = t.buf.data[:n], n == len(t.buf.data)
	}
	rest, keepReading := t.handle(l, p)
	switch {
	case !keepReading:
		l.endReading(nil)
	case t.handedOver:
		l.watch()
	case len(rest) > 0:
		t.postpone(postponedLink{l, t.buf, rest}, watched)
		t.buf = readBuffers.Get().(*readBuffer)
	case isFull || !watched: // the client may have sent more; a later turn reads it
		t.postpone(postponedLink{link: l}, watched)
	}
}

// postpone makes the loop serve a link again in a later turn.
func (t *loopTurn) postpone(u postponedLink, watched bool) {
	if watched {
		_ = t.set.control(syscall.EPOLL_CTL_DEL, u.link)
		t.set.countPortion(time.Now())
	}
	t.set.postponed.Push(u)
}

// handle handles a portion of p, or all of it after handOver.
func (t *loopTurn) handle(l *link, p []byte) (rest []byte, keepReading bool) {
	s := l.session
	if !s.inbound.TryLock() { // a POST from before the upgrade is being handled
		t.handOver()
		s.inbound.Lock()
	}
	defer s.inbound.Unlock()
	s.turn = t
	defer func() { s.turn = nil }()
	rest, keepReading = l.handle(t.buf, p)
	if t.handedOver && keepReading && len(rest) > 0 {
		runtime.Gosched()
		return nil, l.handleAll(t.buf, rest)
	}
	return rest, keepReading
}

// handOver is called before something that may block or take long. It starts
// another goroutine for the loop. This goroutine keeps its link, and no other
// goroutine reads the link meanwhile. The other links of the batch are still
// readable, so epoll reports them to the new goroutine.
func (t *loopTurn) handOver() {
	if t == nil || t.handedOver {
		return
	}
	t.handedOver = true
	clear(t.links[:])
	_ = t.set.control(syscall.EPOLL_CTL_DEL, t.link)
	go t.set.work()
}
