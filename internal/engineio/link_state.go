package engineio

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// linkState is the state of a link. A link goes through the states in this
// order. It may skip some. From each state it may change to linkDead.
//
//	open ── beginClose ──▶ closing ── gather ──▶ closeSent ── endWrite ──▶ draining
//	  │                       │                      │                        │
//	  └───────────────────────┴──── kill, endReading ┴────────────────────────┘
//	                                      │
//	                                      ▼
//	                                    dead ── release, called when reader and writer have ended
//
// The reader has states of its own, readState. A link ends in one of four ways:
//
//   - The server closes it: beginClose. The queued messages are written, then a
//     Close frame (gather). Then the sending side of the connection is closed
//     (endWrite). The client has closeLinger to close its side; then the link
//     is killed.
//   - The client closes it, or violates the protocol: refuse. The session ends,
//     a Close frame is written, and everything else that the client sends is
//     ignored. If the client has sent a Close frame, the connection is closed
//     as soon as the server's is written.
//   - Reading ends, because the client has disconnected: endReading.
//   - A write fails (writeFailed), or a timeout ends the link (kill).
type linkState uint32

const (
	linkOpen      linkState = iota // everything may be sent
	linkClosing                    // only the queued messages and a Close frame are sent
	linkCloseSent                  // the Close frame is being written
	linkDraining                   // nothing is sent; the client has time to close
	linkDead                       // nothing is sent and nothing is read
)

// atomicLinkState is a linkState that is written with session.mu held and may
// be read without it.
type atomicLinkState struct{ v atomic.Uint32 }

func (s *atomicLinkState) get() linkState          { return linkState(s.v.Load()) }
func (s *atomicLinkState) setLocked(now linkState) { s.v.Store(uint32(now)) }

// readState says how the bytes of a client are handled. It only increases.
type readState uint8

const (
	readProbe    readState = iota // the link does not carry the session
	readMessages                  // messages are handled
	readNothing                   // everything is ignored
	readClosed                    // everything is ignored: the client has sent a Close frame
	readEnded                     // the reader has ended
)

// setReadingLocked sets the state of reading, unless it is already later.
// session.mu must be held.
func (l *link) setReadingLocked(now readState) { l.reading = max(l.reading, now) }

// beginCloseLocked makes a Close frame follow the queued messages. If it
// returns true, the caller has the claim to write and must call flush.
// session.mu must be held.
func (l *link) beginCloseLocked(status uint16) (flush bool) {
	if l.state.get() != linkOpen {
		return false
	}
	e := l.session.engine
	l.state.setLocked(linkClosing)
	l.status = status
	l.closeBy = e.now() + e.opts.PingTimeout
	if l.writing {
		l.setWriteDeadlineLocked()
		return false
	}
	l.writing = true
	return true
}

// close closes a link that does not carry an open session.
func (l *link) close(status uint16) {
	l.session.mu.Lock()
	flush := l.beginCloseLocked(status)
	l.session.mu.Unlock()
	if flush {
		l.flush(nil)
	}
}

// endWriteLocked gives up the claim to write, because everything is written. It
// returns a function that the caller must call without the lock, or nil.
// session.mu must be held.
func (l *link) endWriteLocked() (then func(*link)) {
	l.writing, l.full = false, false
	switch {
	case l.reading == readEnded:
		return (*link).release
	case l.state.get() != linkCloseSent:
		return nil
	case l.reading == readClosed:
		l.state.setLocked(linkDead)
		return (*link).closeBoth
	}
	l.state.setLocked(linkDraining)
	return (*link).closeWrite
}

// closeWrite closes the sending side of the connection. The reader waits until
// the client closes the other side. If the connection were closed while input
// is unread, the system would send a reset, which can overtake the last
// message.
func (l *link) closeWrite() {
	if l.isOwned() {
		l.session.mu.Lock()
		l.setTimerLocked(closeLinger, l.kill)
		l.shutWriteLocked()
		l.session.mu.Unlock()
		return
	}
	_ = l.conn.SetReadDeadline(time.Now().Add(closeLinger))
	if half, ok := l.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// closeBoth closes the connection of a client that has sent a Close frame. The
// next read of the reader fails.
func (l *link) closeBoth() {
	if l.isOwned() {
		l.kill()
		return
	}
	_ = l.conn.Close()
}

// kill ends the connection at once, in both directions. The current read and
// write fail. A TLS connection is closed without a TLS alert, because writing
// the alert could block.
func (l *link) kill() {
	l.session.mu.Lock()
	l.state.setLocked(linkDead)
	l.shutBothLocked()
	l.session.mu.Unlock()
	if l.isOwned() {
		return
	}
	conn := io.Closer(l.conn)
	if outer, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = outer.NetConn()
	}
	_ = conn.Close()
}

// writeFailed ends the session and the link after a write that failed. It gives
// up the claim to write.
func (l *link) writeFailed(err error) {
	reason := TransportError
	if errors.Is(err, os.ErrDeadlineExceeded) {
		reason = WriteTimeout
	}
	l.leaveSession(reason, endBroken, websocket.StatusNormal)
	l.kill()
	l.session.mu.Lock()
	l.writing = false
	last := l.reading == readEnded
	l.session.mu.Unlock()
	if last {
		l.release()
	}
}

// endReading ends the link when the reader ends. The error is that of the last
// read, or nil.
func (l *link) endReading(err error) {
	l.unwatch()
	reason := TransportClose
	if err != nil && !errors.Is(err, io.EOF) {
		reason = TransportError
	}
	l.leaveSession(reason, endBroken, websocket.StatusNormal)
	l.session.mu.Lock()
	l.stopTimerLocked()
	l.state.setLocked(linkDead)
	l.setReadingLocked(readEnded)
	last := !l.writing
	l.session.mu.Unlock()
	if last {
		l.release()
	} else {
		l.kill() // a write that blocks fails, and the writer releases the link
	}
}

// release closes the connection of a dead link without reader and writer, and
// drops the messages that were queued for it. The reader or the writer calls
// it, the one that ends last.
func (l *link) release() {
	s := l.session
	if !l.isOwned() {
		_ = l.conn.Close()
	}
	s.mu.Lock()
	l.closeOwnedLocked()
	dropped := 0
	if s.link == l {
		dropped = s.dropQueueLocked()
	}
	s.mu.Unlock()
	s.engine.account(-dropped)
	s.engine.forgetLink(l)
}

// leaveSession separates the link from the session. If the link carries the
// session, the session ends. If the link only probes, polling goes on.
func (l *link) leaveSession(reason Reason, mode endMode, status uint16) {
	s := l.session
	s.mu.Lock()
	probes, carries := s.probe == l, s.link == l
	if probes {
		l.stopTimerLocked()
		s.probe = nil
	}
	s.mu.Unlock()
	switch {
	case carries:
		s.end(reason, mode, status)
	case probes:
		s.forget()
	}
}

// setTimerLocked calls fn after d, unless the timer is stopped or set again
// before. session.mu must be held.
func (l *link) setTimerLocked(d time.Duration, fn func()) {
	l.stopTimerLocked()
	l.timer = time.AfterFunc(d, fn)
}

func (l *link) stopTimerLocked() {
	if l.timer != nil {
		l.timer.Stop()
	}
}
