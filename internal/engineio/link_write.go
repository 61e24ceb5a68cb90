package engineio

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/codec"
	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// output is the bytes of a write. If several messages were joined, the bytes
// are in a pooled buffer.
type output struct {
	bytes []byte
	buf   *writeBuffer
}

type writeBuffer [64 << 10]byte

var writeBuffers = sync.Pool{New: func() any { return new(writeBuffer) }}

// compact copies the bytes and puts the pooled buffer back, if the buffer is
// mostly empty. A write may block for long, and a client must not take much
// more memory than the bytes that are queued for it.
func (o *output) compact() {
	if o.buf != nil && len(o.bytes) < len(o.buf)/2 {
		clone := bytes.Clone(o.bytes)
		o.release()
		o.bytes = clone
	}
}

func (o *output) release() {
	if o.buf != nil {
		writeBuffers.Put(o.buf)
	}
	*o = output{}
}

// writesPerTurn is the number of writes to a link before a flush worker goes on
// to other links. With a fast sender and a fast client, the worker could
// otherwise write to one link for ever.
const writesPerTurn = 8

// flush writes first, unless it is nil, and then the queued frames and
// messages. The claim to write must be held.
func (l *link) flush(first *Message) { l.session.engine.account(-l.write(first)) }

// write is flush without Engine.account: it returns the number of written bytes
// that counted in the total, and the caller subtracts them.
func (l *link) write(first *Message) (written int) {
	for range writesPerTurn {
		o, n, more := l.take(first)
		written += n
		first = nil
		if !more {
			return written
		}
		if !l.canTryWrite() {
			go l.drain(o)
			return written
		}
		n, err := l.tryWrite(o.bytes)
		if err != nil {
			o.release()
			l.writeFailed(err)
			return written
		}
		if n < len(o.bytes) {
			o.bytes = o.bytes[n:]
			s := l.session
			s.mu.Lock()
			l.full = true
			counted := s.countInTotalLocked()
			s.mu.Unlock()
			s.engine.account(counted)
			go l.drain(o)
			return written
		}
		o.release()
	}
	l.session.engine.flush.add([]due{{link: l}}, true)
	return written
}

// drain writes o and then the queued frames and messages, with writes that
// block, until everything is written.
func (l *link) drain(o output) {
	s := l.session
	s.mu.Lock()
	l.prepareBlockingLocked()
	s.mu.Unlock()
	for more := true; more; {
		o.compact()
		err := l.writeAll(o.bytes)
		o.release()
		if err != nil {
			l.writeFailed(err)
			return
		}
		var written int
		o, written, more = l.take(nil)
		s.engine.account(-written)
	}
}

// writeChunk is the number of bytes that are written before a write deadline.
// It is the size of a TLS record, because a TLS connection cannot be used after
// a timeout within a record.
const writeChunk = 16 << 10

// writeAll writes p as long as it makes progress.
func (l *link) writeAll(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if len(p) > writeChunk && !l.canTryWrite() {
		defer time.AfterFunc(slowWrite, l.countInTotal).Stop()
	}
	for size := len(p); len(p) > 0; {
		l.session.mu.Lock()
		l.session.progressLocked(len(p) < size)
		l.setWriteDeadlineLocked()
		l.session.mu.Unlock()
		n, err := l.conn.Write(p[:min(len(p), writeChunk)])
		p = p[n:]
		if err != nil && (!l.canTryWrite() || n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	return l.conn.SetWriteDeadline(time.Time{})
}

// slowWrite is the time after which the bytes of a large message count in the
// total, if tryWrite cannot be called to see whether the socket is full.
const slowWrite = 100 * time.Millisecond

// countInTotal makes the queued bytes of the session count in the total.
func (l *link) countInTotal() {
	s := l.session
	s.mu.Lock()
	counted := 0
	if l.writing && s.queued > 0 {
		counted = s.countInTotalLocked()
	}
	s.mu.Unlock()
	s.engine.account(counted)
}

// setWriteDeadlineLocked sets the deadline of the next write, or of the current
// one. session.mu must be held, so that a link that begins to close does not
// get the later deadline of an open one.
func (l *link) setWriteDeadlineLocked() {
	e := l.session.engine
	by := e.now() + e.opts.PingTimeout
	if l.state.get() != linkOpen {
		by = min(e.now()+closeLinger, l.closeBy)
	}
	if l.conn != nil {
		_ = l.conn.SetWriteDeadline(e.start.Add(by))
	}
}

// take returns the next bytes to write: first, unless it is nil, and queued
// frames and messages. The bytes that the previous call returned have been
// written; take returns how many of them counted in the total. If there is
// nothing to write, it gives up the claim to write.
func (l *link) take(first *Message) (o output, written int, more bool) {
	s := l.session
	s.mu.Lock()
	written = s.unqueueLocked(l.inflight)
	l.inflight = 0
	o = l.gatherLocked(first)
	var then func(*link)
	if more = len(o.bytes) > 0; !more {
		then = l.endWriteLocked()
	}
	s.mu.Unlock()
	if then != nil {
		then(l)
	}
	return o, written, more
}

// gatherLocked joins as many messages as fit into a buffer. session.mu must be
// held.
func (l *link) gatherLocked(first *Message) output {
	s := l.session
	state := l.state.get()
	if state == linkDead {
		return output{}
	}
	var empty outQueue
	messages := &s.queue
	if s.link != l { // a link that probes carries no messages
		messages = &empty
	}
	isLast := state == linkClosing // a Close frame follows, in the same write
	if first == nil && len(l.control) == 0 && messages.len() > 0 {
		first = messages.pop()
	}
	joined := len(l.control) > 0 || isLast || messages.len() > 0
	switch {
	case first != nil && (!joined || 4*first.Size() > len(writeBuffer{})): // base64 may need twice the bytes
		return output{bytes: l.framesLocked(first)}
	case first == nil && !joined:
		return output{}
	}
	buf := writeBuffers.Get().(*writeBuffer)
	out := append(buf[:0], l.control...)
	l.control, l.pong = nil, 0
	if s.link == l {
		s.pinging = false
	}
	if first != nil {
		out = append(out, l.framesLocked(first)...)
	}
	for messages.len() > 0 {
		size := 2 * messages.first().Size()
		if len(out)+size > cap(out) {
			if len(out) > 0 {
				return output{bytes: out, buf: buf}
			}
			writeBuffers.Put(buf)
			return output{bytes: l.framesLocked(messages.pop())}
		}
		out = append(out, l.framesLocked(messages.pop())...)
	}
	if isLast {
		l.state.setLocked(linkCloseSent)
		out = websocket.AppendClose(out, l.status)
	}
	return output{bytes: out, buf: buf}
}

// framesLocked returns the frames of a message and counts its bytes as being
// written. session.mu must be held.
func (l *link) framesLocked(m *Message) []byte {
	l.inflight += m.Size()
	third := l.session.revision == codec.Revision3
	switch {
	case l.base64 && third:
		return m.TextFrames3()
	case l.base64:
		return m.TextFrames()
	case third:
		return m.Frames3()
	}
	return m.Frames()
}

// cork takes the claim to write and keeps it until uncork. So the answers to
// many frames are written together. If another goroutine holds the claim, it
// writes them.
func (l *link) cork() {
	l.session.mu.Lock()
	defer l.session.mu.Unlock()
	if !l.writing {
		l.writing, l.corked = true, true
	}
}

// uncork writes the messages that were queued since cork. session.inbound must
// be held.
func (l *link) uncork() {
	if l.corked {
		l.corked = false
		l.flush(nil)
	}
}

// uncorkIfFull writes the messages that were queued since cork, if these are
// many bytes. session.inbound must be held.
func (l *link) uncorkIfFull() {
	s := l.session
	s.mu.Lock()
	isFull := int(s.queued) > min(behindBytes, s.engine.opts.MaxQueue/4)
	s.mu.Unlock()
	if isFull {
		l.uncork()
	}
}

// sendControl queues a frame ahead of messages.
func (l *link) sendControl(frame []byte) {
	l.queueControl(func() { l.control, l.pong = append(l.control, frame...), 0 })
}

// sendPong answers a ping. If the answer to an earlier ping has not been
// written, it replaces that answer, RFC 6455 section 5.5.3.
func (l *link) sendPong(payload []byte) {
	l.queueControl(func() {
		before := len(l.control) - int(l.pong)
		l.control = websocket.AppendFrame(l.control[:before], websocket.Pong, payload)
		l.pong = uint8(len(l.control) - before) // at most 125 bytes, and a header of two
	})
}

// queuePingLocked queues the heartbeat ahead of messages, while another
// goroutine holds the claim to write. It does nothing if the one before is still
// queued. session.mu must be held.
func (l *link) queuePingLocked() {
	s := l.session
	if s.pinging {
		return
	}
	s.pinging = true
	l.control, l.pong = append(l.control, s.heartbeatMessage().Frames()...), 0
}

// queueControl calls add, which appends to l.control, with session.mu held.
func (l *link) queueControl(add func()) {
	l.session.mu.Lock()
	if l.state.get() != linkOpen {
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

// The packets that an engine sends by itself.
var (
	pingMessage  = codec.NewPacket(string(codec.TypePing))
	pongMessage  = codec.NewPacket(string(codec.TypePong))
	noopMessage  = codec.NewPacket(string(codec.TypeNoop))
	closeMessage = codec.NewPacket(string(codec.TypeClose))
	probePong    = codec.NewPacket(codec.ProbePong)

	lateCloseMessage = codec.NewPacket(string(codec.TypeClose)) // for a poll that is answered after a POST, see endByAnswer
)
