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

// output is bytes that are being written. If several messages were joined, the
// bytes stand in a pooled buffer.
type output struct {
	bytes []byte
	buf   *writeBuffer
}

type writeBuffer [64 << 10]byte

var writeBuffers = sync.Pool{New: func() any { return new(writeBuffer) }}

// compact puts the pooled buffer back if it is mostly empty: a write may have
// to wait for long, and a client must not cost much more memory than the bytes
// that are queued for it.
func (o *output) compact() {
	if o.buf != nil && len(o.bytes) < len(o.buf)/2 {
		own := bytes.Clone(o.bytes)
		o.release()
		o.bytes = own
	}
}

func (o *output) release() {
	if o.buf != nil {
		writeBuffers.Put(o.buf)
	}
	*o = output{}
}

// writesPerTurn is the number of writes to a link before others have their
// turn. With a fast producer and a fast client, a flush worker could be busy
// with one link for ever.
const writesPerTurn = 8

// flush writes first, unless it is nil, and then the queued frames and
// messages. The claim to write must be held.
func (l *link) flush(first *Message) { l.session.engine.account(-l.write(first)) }

// write is flush, and leaves it to the caller to account for the bytes that
// have been written.
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
			waiting := s.countLocked()
			s.mu.Unlock()
			s.engine.account(waiting)
			go l.drain(o)
			return written
		}
		o.release()
	}
	l.session.engine.flush.add([]due{{link: l}}, true)
	return written
}

// drain writes o and then the queued frames and messages, with writes that
// block, until nothing is left.
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

// writeChunk is the number of bytes that have to leave before a write deadline:
// those of a TLS record. A timeout within a record is final.
const writeChunk = 16 << 10

// writeAll writes p as long as it makes progress.
func (l *link) writeAll(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if len(p) > writeChunk && !l.canTryWrite() {
		defer time.AfterFunc(slowWrite, l.count).Stop()
	}
	for whole := len(p); len(p) > 0; {
		l.session.mu.Lock()
		l.session.progressLocked(len(p) < whole)
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
// total, where only the write itself can tell whether there is room.
const slowWrite = 100 * time.Millisecond

// count makes the queued bytes of the session count in the total.
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

// setWriteDeadlineLocked sets the time that the next write may take, or the
// current one. It is called with session.mu held, so that a link that begins to
// close does not get the longer time of an open one.
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

// take takes the next bytes to write: first, unless it is nil, and queued
// frames and messages. It returns the number of bytes that the call before it
// took and that count in the total: they have been written. If nothing is left,
// it gives up the claim to write.
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
	var none outQueue
	messages := &s.queue
	if s.link != l { // a link that probes carries no messages
		messages = &none
	}
	last := state == linkClosing // a Close frame follows, in the same write
	if first == nil && len(l.control) == 0 && messages.len() > 0 {
		first = messages.pop()
	}
	joined := len(l.control) > 0 || last || messages.len() > 0
	switch {
	case first != nil && (!joined || 4*first.Size() > len(writeBuffer{})): // base64 may need twice the bytes
		return output{bytes: l.sendLocked(first)}
	case first == nil && !joined:
		return output{}
	}
	buf := writeBuffers.Get().(*writeBuffer)
	out := append(buf[:0], l.control...)
	l.control, l.pong = nil, 0
	if first != nil {
		out = append(out, l.sendLocked(first)...)
	}
	for messages.len() > 0 {
		size := 2 * messages.first().Size()
		if len(out)+size > cap(out) {
			if len(out) > 0 {
				return output{bytes: out, buf: buf}
			}
			writeBuffers.Put(buf)
			return output{bytes: l.sendLocked(messages.pop())}
		}
		out = append(out, l.sendLocked(messages.pop())...)
	}
	if last {
		l.state.setLocked(linkCloseSent)
		out = websocket.AppendClose(out, l.status)
	}
	return output{bytes: out, buf: buf}
}

// sendLocked returns the frames of a message that is written next. session.mu
// must be held.
func (l *link) sendLocked(m *Message) []byte {
	l.inflight += m.Size()
	if l.base64 {
		return m.TextFrames()
	}
	return m.Frames()
}

// cork takes the claim to write and keeps it until uncork. So the answers to
// many frames leave in one write. If another goroutine is writing, that one
// takes them along.
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

// uncorkIfFull writes the messages that were queued since cork, if they are
// many. session.inbound must be held.
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

// sendPong answers a ping. It replaces the answer to an earlier ping that has
// not been written, RFC 6455 section 5.5.3.
func (l *link) sendPong(payload []byte) {
	l.queueControl(func() {
		before := len(l.control) - int(l.pong)
		l.control = websocket.AppendFrame(l.control[:before], websocket.Pong, payload)
		l.pong = uint8(len(l.control) - before) // at most 125 bytes, and a header of two
	})
}

// queuePingLocked queues a ping of the heartbeat ahead of messages, while
// another goroutine holds the claim to write. session.mu must be held.
func (l *link) queuePingLocked() {
	l.control, l.pong = append(l.control, pingMessage.Frames()...), 0
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
	noopMessage  = codec.NewPacket(string(codec.TypeNoop))
	closeMessage = codec.NewPacket(string(codec.TypeClose))
	probePong    = codec.NewPacket(codec.ProbePong)

	lateCloseMessage = codec.NewPacket(string(codec.TypeClose)) // for a poll that has to wait, see byAnswer
)
