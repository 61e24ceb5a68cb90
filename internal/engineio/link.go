package engineio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// link is one WebSocket connection. Reading belongs to one goroutine, its own or that
// of an event loop. Writing belongs to whoever set writing, and everything about it is
// guarded by the mu of the session.
//
// There are two ways to do I/O. Where direct is true (plain TCP on Unix), reads and
// writes are non-blocking system calls: an idle connection has no buffer and, on
// Linux, no goroutine and no net.Conn, and a write is done by whoever has something to
// send; only what a full socket did not take is left to a goroutine. Everywhere else a
// read keeps a small buffer, and all writes are left to a goroutine that lives while
// there is something to send.
type link struct {
	session *Session
	descriptor

	// guarded by session.mu
	control  []byte // frames that go out ahead of messages, and pings
	inflight int    // bytes of messages in the write under way
	writing  bool
	b64      bool          // binary goes out as text; never changes
	stuck    bool          // the socket is full, or may be
	probed   bool          // 2probe has come
	closing  bool          // nothing but the queue and a Close frame goes out any more
	saidBye  bool          // our Close frame is going out or went out
	heardBye bool          // the client's came in
	ended    bool          // nothing is read any more
	pong     uint8         // bytes at the end of control that answer a ping
	status   uint16        // of our Close frame
	closeBy  time.Duration // when that must be done, on the engine's clock
	giveUp   *time.Timer   // of the upgrade, or of the client's end

	conn    blockingConn // nil where the descriptor is owned and no write had to block
	frames  frameReader  // belongs to who reads
	deaf    bool         // so does this: what comes is ignored
	corked  bool         // it has claimed the link; guarded by session.inbound
	place   watchPlace   // where the event loop has it, if one reads
	severed atomic.Bool  // cut was called: nothing more is to be read
}

// blockingConn is what a net.Conn and an os.File have in common.
type blockingConn interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

func newLink(s *Session, conn net.Conn, b64 bool) *link {
	l := &link{session: s, b64: b64}
	if !l.adopt(conn) {
		l.conn = conn
	}
	return l
}

// batch is bytes on their way out. Those that were gathered stand in a pooled
// buffer.
type batch struct {
	bytes []byte
	buf   *writeBuffer
}

type writeBuffer [64 << 10]byte

var writeBuffers = sync.Pool{New: func() any { return new(writeBuffer) }}

// compact gives the pooled buffer back if it is mostly empty: a write may have to wait
// for long, and a client must not cost much more than what waits for it.
func (b *batch) compact() {
	if b.buf != nil && len(b.bytes) < len(b.buf)/2 {
		own := bytes.Clone(b.bytes)
		b.release()
		b.bytes = own
	}
}

func (b *batch) release() {
	if b.buf != nil {
		writeBuffers.Put(b.buf)
	}
	*b = batch{}
}

// writesPerTurn is how often a link is written to before others have their turn:
// a fast producer and a fast client must not keep who flushes to themselves.
const writesPerTurn = 8

// flush writes first, unless that is nil, and what waits. The caller has claimed the
// link.
func (l *link) flush(first *Message) { l.session.engine.account(-l.write(first)) }

// write is flush, and leaves it to the caller to account for the bytes that wait no
// longer.
func (l *link) write(first *Message) (written int) {
	for range writesPerTurn {
		b, n, more := l.take(first)
		written += n
		first = nil
		if !more {
			return written
		}
		if !l.direct() {
			go l.drain(b)
			return written
		}
		n, err := l.tryWrite(b.bytes)
		if err != nil {
			b.release()
			l.broken(err)
			return written
		}
		if n < len(b.bytes) {
			b.bytes = b.bytes[n:]
			s := l.session
			s.mu.Lock()
			l.stuck = true
			waiting := s.countLocked()
			s.mu.Unlock()
			s.engine.account(waiting)
			go l.drain(b)
			return written
		}
		b.release()
	}
	l.session.engine.flush.add([]due{{link: l}}, true)
	return written
}

// drain writes b and then what waits, blocking, until nothing is left.
func (l *link) drain(b batch) {
	s := l.session
	s.mu.Lock()
	l.blocking()
	s.mu.Unlock()
	for more := true; more; {
		b.compact()
		err := l.writeAll(b.bytes)
		b.release()
		if err != nil {
			l.broken(err)
			return
		}
		var written int
		b, written, more = l.take(nil)
		s.engine.account(-written)
	}
}

// writeChunk is what has to leave before a write deadline: a TLS record, within
// which a timeout is final.
const writeChunk = 16 << 10

// writeAll writes p as long as it makes progress.
func (l *link) writeAll(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if len(p) > writeChunk && !l.direct() {
		defer time.AfterFunc(slowWrite, l.count).Stop()
	}
	for whole := len(p); len(p) > 0; {
		l.session.mu.Lock()
		l.session.progressLocked(len(p) < whole)
		l.setWriteDeadline()
		l.session.mu.Unlock()
		n, err := l.conn.Write(p[:min(len(p), writeChunk)])
		p = p[n:]
		if err != nil && (!l.direct() || n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	return l.conn.SetWriteDeadline(time.Time{})
}

// slowWrite is how long a large message may take to be written before it counts as
// waiting, where only the write itself can tell whether there is room.
const slowWrite = 100 * time.Millisecond

// count has what waits for the session count in the total.
func (l *link) count() {
	s := l.session
	s.mu.Lock()
	waiting := 0
	if l.writing && s.queued > 0 {
		waiting = s.countLocked()
	}
	s.mu.Unlock()
	s.engine.account(waiting)
}

// setWriteDeadline says how long the next write, or the one under way, may take.
// It needs session.mu, so that a link that begins to close cannot be given the
// longer time of one that does not.
func (l *link) setWriteDeadline() {
	e := l.session.engine
	by := e.now() + e.opts.PingTimeout
	if l.closing {
		by = min(e.now()+closeLinger, l.closeBy)
	}
	if l.conn != nil {
		_ = l.conn.SetWriteDeadline(e.start.Add(by))
	}
}

// take takes the next bytes to write, from first, unless that is nil, and from what
// waits. It returns how many bytes of those that it took before wait no longer. When
// nothing is left it gives up the claim on the link.
func (l *link) take(first *Message) (b batch, written int, more bool) {
	s := l.session
	s.mu.Lock()
	written = s.unqueueLocked(l.inflight)
	l.inflight = 0
	b = l.gather(first)
	more = len(b.bytes) > 0
	bye, heard, ended := l.saidBye, l.heardBye, l.ended
	if !more {
		l.writing, l.stuck = false, false
	}
	s.mu.Unlock()
	switch {
	case more:
	case ended:
		l.release()
	case bye:
		l.hangUp(heard)
	}
	return b, written, more
}

// gather joins what fits into a buffer. It needs session.mu.
func (l *link) gather(first *Message) batch {
	s := l.session
	messages := &s.queue
	if s.link != l { // a probing WebSocket carries no messages
		messages = new(outQueue)
	}
	last := l.closing && !l.saidBye // a Close frame goes behind the rest, in the same write
	if first == nil && len(l.control) == 0 && messages.len() > 0 {
		first = messages.pop()
	}
	joined := len(l.control) > 0 || last || messages.len() > 0
	switch {
	case first != nil && (!joined || 4*first.Size() > len(writeBuffer{})): // asText may make twice as much of it
		return batch{bytes: l.send(first)}
	case first == nil && !joined:
		return batch{}
	}
	buf := writeBuffers.Get().(*writeBuffer)
	out := append(buf[:0], l.control...)
	l.control, l.pong = nil, 0
	if first != nil {
		out = append(out, l.send(first)...)
	}
	for messages.len() > 0 {
		size := 2 * messages.first().Size()
		if len(out)+size > cap(out) {
			if len(out) > 0 {
				return batch{bytes: out, buf: buf}
			}
			writeBuffers.Put(buf)
			return batch{bytes: l.send(messages.pop())}
		}
		out = append(out, l.send(messages.pop())...)
	}
	if last {
		l.saidBye = true
		out = appendClose(out, l.status)
	}
	return batch{bytes: out, buf: buf}
}

// send returns the frames of a message that goes out now. It needs session.mu.
func (l *link) send(m *Message) []byte {
	l.inflight += m.Size()
	return l.framesOf(m)
}

func (l *link) framesOf(m *Message) []byte {
	if l.b64 {
		m = m.asText()
	}
	return m.frames
}

// cork has what is sent wait until uncork, so that the answers to many frames leave in
// one write, unless something is being written: that takes them along.
func (l *link) cork() {
	l.session.mu.Lock()
	defer l.session.mu.Unlock()
	if !l.writing {
		l.writing, l.corked = true, true
	}
}

// uncork writes what has come since cork. session.inbound must be held.
func (l *link) uncork() {
	if l.corked {
		l.corked = false
		l.flush(nil)
	}
}

// sendControl queues a frame ahead of messages.
func (l *link) sendControl(frame []byte) {
	l.queueControl(func() { l.control, l.pong = append(l.control, frame...), 0 })
}

// sendPong answers a ping. An answer to an earlier one that has not left yet is
// dropped, RFC 6455 section 5.5.3.
func (l *link) sendPong(payload []byte) {
	l.queueControl(func() {
		before := len(l.control) - int(l.pong)
		l.control = appendControl(l.control[:before], opPong, payload)
		l.pong = uint8(len(l.control) - before) // a control frame has 125 bytes at most, and a header of two
	})
}

// queuePingLocked queues a ping of the heartbeat ahead of messages, while something is
// being written. session.mu must be held.
func (l *link) queuePingLocked() {
	l.control, l.pong = append(l.control, pingMessage.frames...), 0
}

// queueControl has add append to l.control, with session.mu held.
func (l *link) queueControl(add func()) {
	l.session.mu.Lock()
	if l.closing {
		l.session.mu.Unlock()
		return
	}
	add()
	claimed := !l.writing
	l.writing = true
	l.session.mu.Unlock()
	if claimed {
		l.flush(nil)
	}
}

// beginClose has a Close frame sent behind what waits. It needs session.mu, and
// reports whether the caller has to flush.
func (l *link) beginClose(status uint16) bool {
	if l.closing {
		return false
	}
	e := l.session.engine
	l.closing, l.status = true, status
	l.closeBy = e.now() + e.opts.PingTimeout // whatever progress is made
	if l.writing {
		l.setWriteDeadline()
		return false
	}
	l.writing = true
	return true
}

// close closes a link that carries no session, or no longer.
func (l *link) close(status uint16) {
	l.session.mu.Lock()
	flush := l.beginClose(status)
	l.session.mu.Unlock()
	if flush {
		l.flush(nil)
	}
}

// hangUp ends the sending side after the Close frame and leaves who reads a moment to
// see the client's end: closing with unread input would
// send a reset, which can overtake the last message. Behind the client's own
// Close frame nothing comes any more.
func (l *link) hangUp(heardBye bool) {
	switch {
	case heardBye && l.isOwned():
		l.cut()
	case heardBye:
		_ = l.conn.Close()
	case l.isOwned():
		l.session.mu.Lock()
		if l.giveUp != nil {
			l.giveUp.Stop()
		}
		l.giveUp = time.AfterFunc(closeLinger, l.cut)
		l.shutWrite()
		l.session.mu.Unlock()
	default:
		_ = l.conn.SetReadDeadline(time.Now().Add(closeLinger))
		if half, ok := l.conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
}

// broken ends the session after a failed write.
func (l *link) broken(err error) {
	reason := TransportError
	if errors.Is(err, os.ErrDeadlineExceeded) {
		reason = WriteTimeout
	}
	l.lost(reason)
	l.cut()
	l.session.mu.Lock()
	l.closing, l.writing = true, false // so nobody writes any more
	ended := l.ended
	l.session.mu.Unlock()
	if ended {
		l.release()
	}
}

// cut closes a connection that is of no more use, without the leave that TLS would
// first take of the other side: that may have to wait. One that is owned is ended in
// both directions, which its event loop sees.
func (l *link) cut() {
	l.severed.Store(true)
	if l.isOwned() {
		l.session.mu.Lock()
		l.shutBoth()
		l.session.mu.Unlock()
		return
	}
	conn := io.Closer(l.conn)
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn()
	}
	_ = conn.Close()
}

// release closes the connection, from which nothing is read any more, and lets go of the
// link; if something is being written, that ends first and has this called again.
func (l *link) release() {
	if l.isOwned() {
		l.session.mu.Lock()
		closed := l.closeOwned()
		l.session.mu.Unlock()
		if !closed {
			return
		}
	} else {
		_ = l.conn.Close()
	}
	s := l.session
	s.mu.Lock()
	dropped := 0
	if s.link == l {
		dropped = s.dropQueueLocked()
	}
	s.mu.Unlock()
	s.engine.account(-dropped)
	s.engine.forgetLink(l)
}

// lost tells the session that this link is of no more use. Without a probing
// link polling goes on.
func (l *link) lost(reason Reason) {
	s := l.session
	s.mu.Lock()
	probed := s.probe == l
	if probed {
		l.giveUp.Stop()
		s.probe = nil
	}
	carried := s.link == l
	s.mu.Unlock()
	switch {
	case carried:
		s.end(reason, brokenly, statusNormal)
	case probed:
		s.forget()
	}
}
