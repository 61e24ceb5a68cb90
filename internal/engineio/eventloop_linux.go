//go:build linux && !mojo_noepoll

package engineio

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// eventLoops read plain TCP connections, each of which takes a goroutine otherwise:
// more than half of the memory of an idle connection, and one more stack for each
// collection to walk. An event loop is one goroutine with an epoll instance, for
// which the runtime waits as it does for any file. Without connections there is none.
type eventLoops struct {
	shards []eventLoop
	next   atomic.Uint32
}

func newEventLoops() *eventLoops {
	return &eventLoops{shards: make([]eventLoop, (runtime.GOMAXPROCS(0)+1)/2)}
}

// reserve keeps a place for l, or reports that there can be none.
func (e *eventLoops) reserve(l *link) bool {
	return e.shards[e.next.Add(1)%uint32(len(e.shards))].reserve(l)
}

// add has l read from now on, by the goroutine of its loop.
func (e *eventLoops) add(l *link) {
	set := l.place.set
	set.loop.mu.Lock() // who reads next locks it, too, and sees what this goroutine did to l
	err := set.control(syscall.EPOLL_CTL_ADD, l)
	set.loop.mu.Unlock()
	if err != nil {
		e.finish(l, err)
	}
}

type eventLoop struct {
	mu  sync.Mutex // guards set and what is in it
	set *watchSet  // nil without links
}

// watchSet is the links of one epoll instance. With the last of them it is given up,
// so that events which its goroutine has in its hands are never taken for those of
// later links.
type watchSet struct {
	loop  *eventLoop
	fd    int      // the epoll instance
	file  *os.File // the same, to wait for it
	raw   syscall.RawConn
	links []*link // by the number that epoll knows them by
	free  []int32 // numbers without a link

	// unfinished belongs to the goroutine that is the loop's. It is the links of which
	// more came than is handled in a turn, in the order in which they go on. Epoll does
	// not watch them. It goes on with the next at `resume`. At `allowed` it could have
	// handled as many portions without a rest.
	unfinished []unfinished
	allowed    time.Time
	resume     time.Time
}

// How many portions of unfinished links a loop handles before it rests from them, after
// some more that it may be ahead, so that one large message does not wait. It handles
// the messages of others meanwhile, and leaves a processor to whatever else the process
// does: as long as goroutines can run, the runtime hardly looks for those that have
// waited for other connections.
const (
	restAfter = 3
	restTime  = time.Millisecond
	restAhead = 6 * restTime
)

// unfinished is a link of which more came than is handled in a turn.
type unfinished struct {
	link *link
	buf  *readBuffer // nil without a rest
	rest []byte      // stands in buf
}

// watchPlace is where a link stands in a watchSet, from reserve on.
type watchPlace struct {
	set    *watchSet
	number int32
}

func (e *eventLoop) reserve(l *link) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.set == nil {
		set, err := newWatchSet(e)
		if err != nil { // the process is out of descriptors, most likely
			return false
		}
		e.set = set
		go set.work()
	}
	e.set.enter(l)
	return true
}

func newWatchSet(e *eventLoop) (*watchSet, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	// The runtime waits only for what is non-blocking.
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

// enter needs eventLoop.mu.
func (set *watchSet) enter(l *link) {
	last := len(set.free) - 1
	if last < 0 {
		last = 0
		set.free = append(set.free, int32(len(set.links)))
		set.links = append(set.links, nil)
	}
	l.place = watchPlace{set, set.free[last]}
	set.links[l.place.number] = l
	set.free = set.free[:last]
}

// remove gives l up, whose connection is about to be closed. A copy of its descriptor, in
// whatever hands, would have epoll report it for ever.
func (set *watchSet) remove(l *link) {
	e := set.loop
	e.mu.Lock()
	defer e.mu.Unlock()
	_ = set.control(syscall.EPOLL_CTL_DEL, l)
	set.links[l.place.number] = nil
	set.free = append(set.free, l.place.number)
	if len(set.free) == len(set.links) {
		e.set = nil
		_ = set.file.Close()
	}
}

// control changes what epoll knows of a link. The epoll instance is there as long as a
// link is.
func (set *watchSet) control(op int, l *link) error {
	return syscall.EpollCtl(set.fd, op, l.fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: l.place.number})
}

// loopBatch is how many links a loop reads before it makes way for the handlers of
// what they brought. The layer above keeps goroutines for the next batch, but not any
// number of them.
const loopBatch = 8

// loopTurn is what the goroutine of an event loop works with.
type loopTurn struct {
	set    *watchSet
	link   *link // that has its turn
	goOn   bool  // one of the unfinished links has its turn
	left   bool  // this goroutine is for that link alone; another one is the loop's
	events [loopBatch]syscall.EpollEvent
	links  [loopBatch]*link
	n      int // of the events, and of the links
	buf    *readBuffer
}

// work reads what is readable until the set is given up.
//
// Of links that send more than is handled in a turn, one goes on for every batch of
// the others, and none during a rest. So the others wait for one of them, however many
// there are.
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
			if t.serve(unfinished{link: l}, true); t.left {
				return
			}
		}
		clear(t.links[:t.n])
		if t.goOn {
			set.count(time.Now())
			u := set.unfinished[0]
			set.unfinished = slices.Delete(set.unfinished, 0, 1)
			if t.serve(u, false); t.left {
				return
			}
		}
		runtime.Gosched() // to who handles it
	}
}

// count notes a portion of an unfinished link, behind which the loop may have to rest.
func (set *watchSet) count(now time.Time) {
	if set.allowed.Before(now) {
		set.allowed = now
	}
	set.allowed = set.allowed.Add(restTime / restAfter)
	if set.allowed.Sub(now) >= restAhead {
		set.resume = now.Add(restTime)
	}
}

// await returns when there is anything to do, or reports false when the set is given up.
func (t *loopTurn) await() bool {
	set := t.set
	t.goOn = len(set.unfinished) > 0
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

// wait is called until it reports that there is anything to do.
func (t *loopTurn) wait(epfd uintptr) bool {
	n, err := syscall.EpollWait(int(epfd), t.events[:], 0)
	for errors.Is(err, syscall.EINTR) {
		n, err = syscall.EpollWait(int(epfd), t.events[:], 0)
	}
	t.n = max(n, 0)
	return t.n > 0 || t.goOn
}

// serve handles a portion of what has come from a link, which it reads if there is no
// rest. It is told whether epoll watches the link.
func (t *loopTurn) serve(u unfinished, watched bool) {
	l := u.link
	if u.buf != nil {
		readBuffers.Put(t.buf)
		t.buf = u.buf
	}
	if l.severed.Load() {
		l.session.engine.loops.finish(l, net.ErrClosed)
		return
	}
	t.link = l
	defer func() { t.link = nil }()
	p, full := u.rest, false
	if len(p) == 0 {
		n, err := retry(syscall.Read, l.fd, t.buf.data[:])
		switch {
		case errors.Is(err, syscall.EAGAIN):
			if !watched {
				l.session.engine.loops.add(l)
			}
			return
		case err == nil && n == 0:
			err = io.EOF
		}
		if err != nil {
			l.session.engine.loops.finish(l, err)
			return
		}
		p, full = t.buf.data[:n], n == len(t.buf.data)
	}
	rest, alive := t.feed(l, p)
	switch {
	case !alive:
		l.session.engine.loops.finish(l, nil)
	case t.left:
		l.session.engine.loops.add(l)
	case len(rest) > 0:
		t.postpone(unfinished{l, t.buf, rest}, watched)
		t.buf = readBuffers.Get().(*readBuffer)
	case full || !watched: // it is known to send much: that it is done for now is found out in a turn of its own
		t.postpone(unfinished{link: l}, watched)
	}
}

// postpone has a link go on in a later turn.
func (t *loopTurn) postpone(u unfinished, watched bool) {
	if watched {
		_ = t.set.control(syscall.EPOLL_CTL_DEL, u.link)
		t.set.count(time.Now())
	}
	t.set.unfinished = append(t.set.unfinished, u)
}

// feed has the link handle a portion of p, or all of it if this goroutine is for that
// link alone.
func (t *loopTurn) feed(l *link, p []byte) (rest []byte, alive bool) {
	s := l.session
	if !s.inbound.TryLock() { // a POST of before the upgrade is being handled
		t.leave()
		s.inbound.Lock()
	}
	defer s.inbound.Unlock()
	s.turn = t
	defer func() { s.turn = nil }()
	rest, alive = l.feed(t.buf, p)
	if t.left && alive && len(rest) > 0 {
		runtime.Gosched()
		return nil, l.feedAll(t.buf, rest)
	}
	return rest, alive
}

// leave is called before what may take long. From here on another goroutine is the
// loop's, and this one has only its link, which nobody else reads meanwhile. The rest of
// the batch is still readable, so the other one finds it again.
func (t *loopTurn) leave() {
	if t == nil || t.left {
		return
	}
	t.left = true
	clear(t.links[:])
	_ = t.set.control(syscall.EPOLL_CTL_DEL, t.link)
	go t.set.work()
}

// finish ends a link from which nothing is read any more, see link.over.
func (*eventLoops) finish(l *link, err error) {
	if l.isOwned() {
		l.place.set.remove(l)
	}
	l.over(err)
}
