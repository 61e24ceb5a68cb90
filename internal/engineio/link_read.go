package engineio

import (
	"errors"
	"sync"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// readBuffer is the memory that a read needs. A reader takes a buffer from the
// pool when there is something to read, and puts it back before it waits.
type readBuffer struct {
	data    [16 << 10]byte
	scratch websocket.Scratch
}

var readBuffers = sync.Pool{New: func() any { return new(readBuffer) }}

// streamBuffer is the size of the buffer that a reader keeps while it waits,
// where the read itself has to wait.
const streamBuffer = 2 << 10

// largeMessage is a number of bytes. To handle a larger message may take longer
// than the other connections of an event loop should wait.
const largeMessage = 64 << 10

// A portion is the work that is done for one connection before other
// connections are served: at most portionFrames frames, and no more after
// portionTime.
const (
	portionFrames = 256
	portionTime   = 50 * time.Microsecond
	timedFrames   = 4        // the clock is read once for this number of frames
	portionHeld   = 16 << 10 // bytes waiting for handlers that end a portion, see Session.Hold

	portionPause = time.Millisecond / 4 // the pause between two portions of a goroutine that reads one connection
)

// portion is the work that was done for a connection in its turn.
type portion struct {
	frames int
	begun  time.Duration
}

// addFrame counts a frame that is not the last of the bytes that were read. It
// reports whether the portion is complete. The messages that are sent after the
// first frame are written when the portion ends.
func (w *portion) addFrame(l *link) bool {
	e := l.session.engine
	if w.frames++; w.frames == 1 {
		w.begun = e.now()
		l.cork()
		return false
	}
	return w.frames >= portionFrames ||
		w.frames%timedFrames == 0 && (e.now()-w.begun >= portionTime || l.session.held.Load() > portionHeld)
}

var errClientClosed = errors.New("the client has answered the Close frame")

// beginReading starts to read. The bytes that arrived behind the handshake are
// handled first.
func (l *link) beginReading(early []byte) {
	if len(early) == 0 && l.isOwned() {
		l.watch()
		return
	}
	go l.read(early)
}

func (l *link) read(early []byte) {
	if len(early) > 0 {
		buf := readBuffers.Get().(*readBuffer)
		keepReading := l.lockAndHandleAll(buf, early)
		readBuffers.Put(buf)
		if !keepReading {
			l.endReading(nil)
			return
		}
	}
	if l.isOwned() {
		l.watch()
		return
	}
	l.endReading(l.readBlocking())
}

// readStream reads a net.Conn until it ends.
func (l *link) readStream() error {
	var data [streamBuffer]byte
	var pace pacer
	for {
		n, err := l.conn.Read(data[:])
		if n > 0 {
			buf := readBuffers.Get().(*readBuffer)
			before := buf.scratch.Frames
			keepReading := l.lockAndHandleAll(buf, data[:n])
			cost := n + (buf.scratch.Frames-before)*frameCost
			readBuffers.Put(buf)
			if !keepReading {
				return nil
			}
			pace.add(l.session, cost)
		}
		if err != nil {
			return err
		}
	}
}

// lockAndHandleAll is handleAll for a goroutine that does not hold
// session.inbound.
func (l *link) lockAndHandleAll(buf *readBuffer, p []byte) (keepReading bool) {
	l.session.inbound.Lock()
	defer l.session.inbound.Unlock()
	return l.handleAll(buf, p)
}

// handleAll handles all of p, in portions with a pause between them, and
// reports whether to read on. session.inbound must be held.
func (l *link) handleAll(buf *readBuffer, p []byte) (keepReading bool) {
	for {
		rest, keepReading := l.handle(buf, p)
		if !keepReading || len(rest) == 0 {
			return keepReading
		}
		p = rest
		time.Sleep(portionPause)
	}
}

// handle handles a portion of the bytes p, which it may modify. It returns the
// remaining bytes, and whether to read on. session.inbound must be held.
func (l *link) handle(buf *readBuffer, p []byte) (rest []byte, keepReading bool) {
	if l.reading > readMessages {
		return nil, true
	}
	l.session.heard()
	defer l.uncork()
	rest, err := l.handleFrames(p, &buf.scratch)
	switch {
	case err == nil:
		return rest, true
	case errors.Is(err, errClientClosed):
		return nil, false
	}
	status := websocket.StatusNormal
	if violation, ok := errors.AsType[*websocket.Error](err); ok {
		status = violation.Status
	}
	l.session.turn.handOver() // the Logger may block
	l.session.engine.logProtocolError(l.session, err)
	l.refuse(ParseError, status)
	return nil, true
}

// handleFrames handles the frames of a portion and returns the bytes behind it.
func (l *link) handleFrames(p []byte, scratch *websocket.Scratch) (rest []byte, err error) {
	var work portion
	for len(p) > 0 && l.reading <= readMessages {
		frame, rest, err := l.decoder.Next(p, scratch, l.session.engine.opts.MaxPayload)
		if err != nil {
			return nil, err
		}
		err = l.receive(&frame)
		frame.Release()
		if err != nil {
			return nil, err
		}
		if p = rest; len(p) > 0 && work.addFrame(l) {
			return p, nil
		}
	}
	return nil, nil
}

// receive handles a message or a control frame, if the frame is one.
func (l *link) receive(frame *websocket.Frame) error {
	switch frame.Op {
	case websocket.Ping:
		l.sendPong(frame.Payload)
	case websocket.Close:
		return l.receiveClose()
	case websocket.Text, websocket.Binary:
		if len(frame.Payload) > largeMessage {
			l.session.turn.handOver()
		}
		if err := frame.CheckText(); err != nil {
			return err
		}
		return l.receiveMessage(frame.Op == websocket.Binary, frame.Payload)
	}
	return nil
}

// receiveClose handles the client's Close frame. If it answers a Close frame of
// the server, reading ends; otherwise the server answers it.
func (l *link) receiveClose() error {
	l.session.mu.Lock()
	l.setReadingLocked(readClosed)
	isAnswer := l.state.get() == linkDraining
	l.session.mu.Unlock()
	if isAnswer {
		return errClientClosed
	}
	l.refuse(TransportClose, websocket.StatusNormal)
	return nil
}

func (l *link) receiveMessage(binary bool, p []byte) error {
	if l.corked {
		l.uncorkIfFull()
	}
	isOpen := l.state.get() == linkOpen
	switch {
	case l.reading != readMessages:
		return l.receiveProbe(binary, p)
	case !binary:
		return l.receivePacket(p, isOpen)
	}
	return l.session.receiveBinary(p, isOpen)
}

func (l *link) receivePacket(p []byte, isOpen bool) error {
	err := l.session.receive(p, isOpen)
	if errors.Is(err, errClientClose) {
		l.refuse(TransportClose, websocket.StatusNormal)
		return nil
	}
	return err
}

// refuse ends the session that the link carries, or only the link if it probes.
// Later bytes of the client are ignored. The connection is closed when the
// client has closed its side, or after closeLinger.
func (l *link) refuse(reason Reason, status uint16) {
	l.decoder = websocket.Decoder{}
	l.session.mu.Lock()
	l.setReadingLocked(readNothing)
	l.session.mu.Unlock()
	l.leaveSession(reason, endAbruptly, status)
	l.close(status)
}
