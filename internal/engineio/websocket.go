package engineio

import (
	"errors"
	"io"
	"sync"
	"time"
	"unicode/utf8"
)

// frameReader assembles messages from the bytes of a WebSocket. It is fed what
// has arrived and keeps only what is incomplete.
type frameReader struct {
	header   frameHeader
	inFrame  bool
	got      int64 // payload bytes of this frame so far
	partial  [14]byte
	nPartial int

	message   []byte // payload of a message under way
	op        opcode // its type; opContinuation if none is under way
	fragments int
	control   []byte // payload of a control frame under way
}

// maxFragments bounds the frames of one message: each costs a few bytes to send
// and, however small, work to read.
const maxFragments = 4096

// readBuffer is what a read needs, taken from a pool when there is something to
// read and given back before waiting again.
type readBuffer struct {
	data    [16 << 10]byte
	scratch headerScratch
}

var readBuffers = sync.Pool{New: func() any { return new(readBuffer) }}

// streamBuffer is how much a connection that cannot wait without a buffer reads
// at a time.
const streamBuffer = 2 << 10

// largeMessage is the size above which handling a message may take longer than others
// on an event loop should wait.
const largeMessage = 64 << 10

// wsError is a violation of the WebSocket protocol, with the status for it.
type wsError struct {
	status uint16
	text   string
}

func (e *wsError) Error() string { return e.text }

var (
	errWSProtocol  = &wsError{statusProtocol, "invalid WebSocket frame"}
	errWSTooBig    = &wsError{statusTooBig, "WebSocket message above MaxPayload"}
	errWSNotUTF8   = &wsError{statusNotUTF8, "WebSocket text is not UTF-8"}
	errWSFragments = &wsError{statusPolicy, "too many fragments"}

	errWSClosed = errors.New("the client sent a Close frame")
)

// What is done for one connection before others have their turn: so many frames, or
// as many as take about so long.
const (
	portionFrames = 256
	portionTime   = 50 * time.Microsecond
	timedFrames   = 4        // the clock is read for every so many
	portionHeld   = 16 << 10 // what waits for handlers when it ends, see Session.Hold

	portionRest = time.Millisecond / 4 // of a goroutine that reads one connection
)

// portion is the work that is done for a connection in one turn.
type portion struct {
	frames int
	begun  time.Duration
}

// over notes a frame behind which more bytes stand. It reports whether these have to
// wait. What is sent from then on leaves when the portion ends.
func (w *portion) over(l *link) bool {
	e := l.session.engine
	if w.frames++; w.frames == 1 {
		w.begun = e.now()
		l.cork()
		return false
	}
	return w.frames >= portionFrames || w.frames%timedFrames == 0 && (e.now()-w.begun >= portionTime || l.session.burdens())
}

// burdens reports whether handlers have much to do for the client.
func (s *Session) burdens() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held > portionHeld
}

// feed takes the next bytes, which it may modify, and hands every message and
// control frame that they complete to l. It returns the bytes that are more than a
// portion, which are to be fed later.
func (r *frameReader) feed(p []byte, scratch *headerScratch, l *link) (rest []byte, err error) {
	var work portion
	for !l.deaf {
		if !r.inFrame {
			n, err := r.feedHeader(p, scratch, l.session.engine.opts.MaxPayload)
			if err != nil || !r.inFrame {
				return nil, err
			}
			p = p[n:]
		}
		n := int(min(int64(len(p)), r.header.length-r.got))
		chunk := p[:n]
		p = p[n:]
		unmask(chunk, r.header.mask, int(r.got&3))
		r.got += int64(n)
		r.inFrame = r.got < r.header.length
		if err := r.feedPayload(chunk, l); err != nil || r.inFrame {
			return nil, err
		}
		if len(p) > 0 && work.over(l) {
			return p, nil
		}
	}
	return nil, nil
}

// feedHeader takes bytes up to the end of a frame header and returns how many. If
// the header is complete it sets inFrame.
func (r *frameReader) feedHeader(p []byte, scratch *headerScratch, limit int) (int, error) {
	n := 0
	head := p
	if r.nPartial > 0 || len(p) < 2 || len(p) < headerSize(p[1]) {
		for r.nPartial < 2 || r.nPartial < headerSize(r.partial[1]) {
			if n == len(p) {
				return n, nil
			}
			r.partial[r.nPartial] = p[n]
			r.nPartial++
			n++
		}
		head = r.partial[:r.nPartial]
		r.nPartial = 0
	} else {
		n = headerSize(p[1])
		head = p[:n]
	}
	h, err := scratch.parse(head, r.op != opContinuation)
	if err != nil {
		return 0, errWSProtocol
	}
	if h.op < opClose {
		if h.length > int64(limit-len(r.message)) {
			return 0, errWSTooBig
		}
		if r.fragments++; r.fragments > maxFragments {
			return 0, errWSFragments
		}
		if h.op != opContinuation {
			r.op = h.op
		}
	}
	r.header, r.inFrame, r.got = h, true, 0
	return n, nil
}

// feedPayload takes the next part of the current frame's payload, unmasked, the
// last one if inFrame is false.
func (r *frameReader) feedPayload(chunk []byte, l *link) error {
	if r.header.op >= opClose {
		if r.inFrame || len(r.control) > 0 {
			r.control = append(r.control, chunk...)
			chunk = r.control
		}
		if r.inFrame {
			return nil
		}
		r.control = nil
		return l.receiveControl(r.header.op, chunk)
	}
	last := !r.inFrame && r.header.fin
	if !last || len(r.message) > 0 {
		r.message = assemble(r.message, chunk)
		chunk = r.message
	}
	if !last {
		return nil
	}
	if len(chunk) > largeMessage {
		l.session.turn.leave()
	}
	op, assembled := r.op, r.message
	r.op, r.message, r.fragments = opContinuation, nil, 0
	if op == opText && !utf8.Valid(chunk) {
		return errWSNotUTF8
	}
	err := l.receive(op == opBinary, chunk)
	recycle(assembled)
	return err
}

// beginReading has the link fed with early and then with what its connection
// brings, until it ends: by an event loop or, where there is none, by a goroutine.
func (l *link) beginReading(early []byte) {
	if len(early) == 0 && l.isOwned() {
		l.session.engine.loops.add(l)
		return
	}
	go l.read(early)
}

func (l *link) read(early []byte) {
	alive := true
	if len(early) > 0 {
		buf := readBuffers.Get().(*readBuffer)
		alive = l.feedAlone(buf, early)
		readBuffers.Put(buf)
	}
	loops := l.session.engine.loops
	switch {
	case !alive:
		loops.finish(l, nil)
	case l.isOwned():
		loops.add(l)
	default:
		l.over(l.readAlone())
	}
}

// over ends a link from which nothing is read any more, because of err if that is
// not nil.
func (l *link) over(err error) {
	reason := TransportClose
	if err != nil && !errors.Is(err, io.EOF) {
		reason = TransportError
	}
	l.lost(reason)
	l.session.mu.Lock()
	if l.giveUp != nil {
		l.giveUp.Stop()
	}
	l.ended, l.closing = true, true
	l.session.mu.Unlock()
	l.release()
}

func (l *link) readStream() error {
	var data [streamBuffer]byte
	var sent burst
	for {
		n, err := l.conn.Read(data[:])
		if n > 0 {
			buf := readBuffers.Get().(*readBuffer)
			before := buf.scratch.frames
			goOn := l.feedAlone(buf, data[:n])
			cost := n + (buf.scratch.frames-before)*frameCost
			readBuffers.Put(buf)
			if !goOn {
				return nil
			}
			sent.add(l.session, cost)
		}
		if err != nil {
			return err
		}
	}
}

// feedAlone is feedAll for a goroutine that may be kept waiting.
func (l *link) feedAlone(buf *readBuffer, p []byte) bool {
	l.session.inbound.Lock()
	defer l.session.inbound.Unlock()
	return l.feedAll(buf, p)
}

// feedAll handles p in as many portions as it takes, between which it rests, so that
// other goroutines have their turn, and reports whether to read on. session.inbound must be held.
func (l *link) feedAll(buf *readBuffer, p []byte) bool {
	for {
		rest, alive := l.feed(buf, p)
		if !alive || len(rest) == 0 {
			return alive
		}
		p = rest
		time.Sleep(portionRest)
	}
}

// feed handles a portion of p. It returns the rest, and whether to read on.
// session.inbound must be held.
func (l *link) feed(buf *readBuffer, p []byte) (rest []byte, alive bool) {
	if l.deaf {
		return nil, true
	}
	defer l.uncork()
	s := l.session
	rest, err := l.frames.feed(p, &buf.scratch, l)
	if err == nil {
		return rest, true
	}
	if errors.Is(err, errWSClosed) {
		return nil, false
	}
	status := statusNormal
	var violation *wsError
	if errors.As(err, &violation) {
		status = violation.status
	}
	s.turn.leave() // a Logger may take its time
	s.engine.logProtocolError(s, err)
	l.refuse(ParseError, status)
	return nil, true
}

// refuse ends the session that the link carries, or, while it only probes, the
// link alone. What still comes is read, until the client closes its side or the
// time that hangUp gives it has passed, and ignored.
func (l *link) refuse(reason Reason, status uint16) {
	l.deaf = true
	l.frames = frameReader{}
	s := l.session
	s.mu.Lock()
	carried := s.link == l
	s.mu.Unlock()
	if carried {
		s.end(reason, abruptly, status)
	}
	l.lost(reason)
	l.close(status)
}

// receiveControl handles a Ping, Pong or Close frame.
func (l *link) receiveControl(op opcode, payload []byte) error {
	switch op {
	case opPing:
		l.sendPong(payload)
	case opClose:
		return l.receiveClose(payload)
	}
	return nil
}

// receiveClose answers the client's Close frame, unless it is itself the answer
// to ours; then there is nothing left to wait for.
func (l *link) receiveClose(payload []byte) error {
	if checkClose(payload) != nil {
		return errWSProtocol
	}
	s := l.session
	s.mu.Lock()
	l.heardBye = true
	answered := l.saidBye && !l.writing
	s.mu.Unlock()
	if answered {
		return errWSClosed
	}
	l.refuse(TransportClose, statusNormal)
	return nil
}

// receive handles one message from the client.
func (l *link) receive(binary bool, p []byte) error {
	s := l.session
	s.mu.Lock()
	carries, probes := s.link == l, s.probe == l
	full := l.corked && int(s.queued) > min(behindBytes, s.engine.opts.MaxQueue/4)
	s.mu.Unlock()
	if full {
		l.uncork()
	}
	switch {
	case carries && binary:
		return s.deliver(p, true)
	case carries:
		return l.receivePacket(p)
	case probes && !binary:
		return l.receiveProbe(string(p))
	case probes:
		return errPacket
	}
	return nil
}

func (l *link) receivePacket(p []byte) error {
	err := l.session.receive(p)
	if errors.Is(err, errClientClose) {
		l.refuse(TransportClose, statusNormal)
		return nil
	}
	return err
}
