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

// eventLoops read plain TCP connections. A goroutine for each of them would
// take more than half of the memory of an idle connection, and one more stack
// for each garbage collection to scan. An event loop is one goroutine with an
// epoll instance, which the runtime waits for as it does for any file. A loop
// without connections has neither.
type eventLoops struct {
	shards []eventLoop
	next   atomic.Uint32
}

func newEventLoops() *eventLoops {
	return &eventLoops{shards: make([]eventLoop, (runtime.GOMAXPROCS(0)+1)/2)}
}

// reserve gives l a number in one of the loops, or reports that there can be
// none.
func (e *eventLoops) reserve(l *link) bool {
	return e.shards[e.next.Add(1)%uint32(len(e.shards))].reserve(l)
}

// watch makes the goroutine of its loop read the link from now on.
func (l *link) watch() {
	set := l.watched.set
	set.loop.mu.Lock() // the next reader locks it, too, and so sees the changes of this goroutine to l
	err := set.control(syscall.EPOLL_CTL_ADD, l)
	set.loop.mu.Unlock()
	if err != nil {
		l.endReading(err)
	}
}

// unwatch takes the link out of its loop.
func (l *link) unwatch() {
	if l.owned {
		l.watched.set.remove(l)
	}
}

type eventLoop struct {
	mu  sync.Mutex // guards set, and links and free in it
	set *watchSet  // nil without links
}

// watchSet is the links of one epoll instance. The instance is closed with the
// last of them and not used again, so that events which its goroutine has
// already received are never taken for those of later links.
type watchSet struct {
	loop  *eventLoop
	fd    int      // the epoll instance
	file  *os.File // the same, to wait for it
	raw   syscall.RawConn
	links []*link // by the number that epoll knows them by
	free  []int32 // numbers without a link

	// Only the goroutine of the loop uses the fields below.
	//
	// postponed has the links that have sent more than is handled in a turn, in
	// the order in which they go on. Epoll does not watch them. The next of
	// them goes on at resume. At allowed, as many portions could have been
	// handled without a rest.
	postponed fifo.Queue[postponed]
	allowed   time.Time
	resume    time.Time
}

// A loop handles restAfter portions of postponed links in each restTime. It may
// be ahead of that by restAhead, so that one large message does not wait, and
// then rests from postponed links. Meanwhile it handles the messages of others,
// and leaves a processor to the rest of the process: as long as there are
// goroutines that can run, the runtime hardly looks for those that wait for
// other connections.
const (
	restAfter = 3
	restTime  = time.Millisecond
	restAhead = 6 * restTime
)

// postponed is a link that has sent more than is handled in a turn.
type postponed struct {
	link *link
	buf  *readBuffer // nil without a rest
	rest []byte      // bytes in buf that were read but not handled
}

// watchEntry is where a link stands in a watchSet, after reserve.
type watchEntry struct {
	set    *watchSet
	number int32
}

func (e *eventLoop) reserve(l *link) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.set == nil {
		set, err := newWatchSet(e)
		if err != nil { // most likely the process has no descriptor left
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

// enterLocked gives a link a number. eventLoop.mu must be held.
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

// remove removes a link whose connection is about to be closed. Closing the
// descriptor does not suffice: if there were a copy of it, epoll would report
// it for ever.
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
// goroutines that handle their messages. The layer above keeps goroutines for
// the next batch, but only a limited number of them.
const loopBatch = 8

// loopTurn is the working memory of the goroutine of an event loop.
type loopTurn struct {
	set        *watchSet
	link       *link // the one that is being read
	goOn       bool  // one of the postponed links has its turn
	handedOver bool  // this goroutine reads only link; another one is the loop's
	events     [loopBatch]syscall.EpollEvent
	links      [loopBatch]*link
	n          int // of events, and of links
	buf        *readBuffer
}

// work reads the readable links until the set is closed.
//
// After each batch of other links, one postponed link goes on, and none during
// a rest. So the other links wait for one of them, however many there are.
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
			if t.serve(postponed{link: l}, true); t.handedOver {
				return
			}
		}
		clear(t.links[:t.n])
		if t.goOn {
			set.count(time.Now())
			if t.serve(set.postponed.Pop(), false); t.handedOver {
				return
			}
		}
		runtime.Gosched() // to the goroutines that handle the messages
	}
}

// count counts a portion of a postponed link, after which the loop may have to
// rest.
func (set *watchSet) count(now time.Time) {
	if set.allowed.Before(now) {
		set.allowed = now
	}
	set.allowed = set.allowed.Add(restTime / restAfter)
	if set.allowed.Sub(now) >= restAhead {
		set.resume = now.Add(restTime)
	}
}

// await returns when there is something to do, or reports false when the set is
// closed.
func (t *loopTurn) await() bool {
	set := t.set
	t.goOn = set.postponed.Len() > 0
	if !t.goOn || !time.Now().Before(set.resume) {
		return set.raw.Read(t.wait) == nil
	}
	t.goOn = false
	_ = set.file.SetReadDeadline(set.resume)
	err := set.raw.Read(t.wait)
	_ = set.file.SetReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.n, t.goOn, err = 0, true, nil
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
	return t.n > 0 || t.goOn
}

// serve handles a portion of the bytes that a client has sent. It reads from
// the link, unless there is a rest of an earlier read. watched says whether
// epoll watches the link.
func (t *loopTurn) serve(u postponed, watched bool) {
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
	rest, goOn := t.handle(l, p)
	switch {
	case !goOn:
		l.endReading(nil)
	case t.handedOver:
		l.watch()
	case len(rest) > 0:
		t.postpone(postponed{l, t.buf, rest}, watched)
		t.buf = readBuffers.Get().(*readBuffer)
	case isFull || !watched: // it sends much; a turn of its own finds out when that ends
		t.postpone(postponed{link: l}, watched)
	}
}

// postpone makes a link go on in a later turn.
func (t *loopTurn) postpone(u postponed, watched bool) {
	if watched {
		_ = t.set.control(syscall.EPOLL_CTL_DEL, u.link)
		t.set.count(time.Now())
	}
	t.set.postponed.Push(u)
}

// handle handles a portion of p, or all of it if this goroutine has handed the
// loop over.
func (t *loopTurn) handle(l *link, p []byte) (rest []byte, goOn bool) {
	s := l.session
	if !s.inbound.TryLock() { // a POST from before the upgrade is being handled
		t.handOver()
		s.inbound.Lock()
	}
	defer s.inbound.Unlock()
	s.turn = t
	defer func() { s.turn = nil }()
	rest, goOn = l.handle(t.buf, p)
	if t.handedOver && goOn && len(rest) > 0 {
		runtime.Gosched()
		return nil, l.handleAll(t.buf, rest)
	}
	return rest, goOn
}

// handOver is called before something that may take long. It starts another
// goroutine for the loop. This one keeps its link, which no other reads
// meanwhile. The other links of the batch are still readable, so the new
// goroutine finds them again.
func (t *loopTurn) handOver() {
	if t == nil || t.handedOver {
		return
	}
	t.handedOver = true
	clear(t.links[:])
	_ = t.set.control(syscall.EPOLL_CTL_DEL, t.link)
	go t.set.work()
}
