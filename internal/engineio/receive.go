package engineio

import (
	"errors"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/codec"
)

var errClientClose = errors.New("the client sent a close packet")

// receive handles one text packet. After the end of the session, messages are
// ignored. For a close packet, the error is errClientClose. s.inbound must be
// held.
func (s *Session) receive(p []byte, isOpen bool) error {
	decode := codec.Decode
	if s.revision == codec.Revision3 {
		decode = codec.Decode3
	}
	packetType, data, err := decode(p)
	switch {
	case err != nil:
		return err
	case packetType == codec.TypeClose:
		return errClientClose
	case packetType == codec.TypePong:
		s.pong()
	case packetType == codec.TypePing:
		s.answerPing()
	case packetType == codec.TypeNoop, !isOpen:
	default:
		return s.deliver(data, packetType == codec.TypeBinary)
	}
	return nil
}

// receiveBinary handles one binary packet. s.inbound must be held.
func (s *Session) receiveBinary(p []byte, isOpen bool) error {
	if s.revision == codec.Revision3 {
		var err error
		if p, err = codec.DecodeBinary3(p); err != nil {
			return err
		}
	}
	if !isOpen {
		return nil
	}
	return s.deliver(p, true)
}

// deliver passes a message to the handler. If handlers are behind, it then
// waits until they have caught up. The session must be open. s.inbound must be
// held.
func (s *Session) deliver(data []byte, binary bool) error {
	s.engine.counters.messagesIn.Add(1)
	s.engine.counters.bytesIn.Add(uint64(len(data)))
	if err := s.handle(data, binary); err != nil {
		return err
	}
	s.awaitHandlers()
	return nil
}

// handle calls Handler.Message. A large message may keep a processor busy for
// milliseconds. So the engine handles only a few of them at a time, and pauses
// after each for the time that it took, which leaves processors to other
// goroutines. The client pauses longer: it cannot send more than 32 MB a
// second.
func (s *Session) handle(data []byte, binary bool) error {
	if len(data) <= largeMessage {
		return s.handler.Message(data, binary)
	}
	pause := time.Duration(len(data)/largeMessage) * largePause
	s.engine.largeSlots <- struct{}{}
	begun := s.engine.now()
	err := s.handler.Message(data, binary)
	slotPause := min(s.engine.now()-begun, pause)
	time.Sleep(slotPause)
	<-s.engine.largeSlots
	if err == nil {
		time.Sleep(pause - slotPause)
	}
	return err
}

// largePause is the pause of a client for each largeMessage bytes of a large
// message.
const largePause = 2 * time.Millisecond

// stall is a time during which nothing is read from a client, because too many
// bytes of its messages wait for handlers.
type stall struct{ ended chan struct{} }

// Hold counts n bytes of messages that wait for handlers. If more than
// Options.MaxInbound bytes wait, nothing more is read from the client until
// Release has reduced them to half of that.
func (s *Session) Hold(n int) { s.held.Add(int64(n)) }

// Release subtracts n bytes that Hold has counted.
func (s *Session) Release(n int) {
	if s.held.Add(-int64(n)) > s.resumeAt() || s.stall.Load() == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endStallLocked() {
		s.extendPongLocked()
	}
}

// resumeAt returns the number of waiting bytes at which a stall ends.
func (s *Session) resumeAt() int64 { return int64(s.engine.opts.MaxInbound / 2) }

// endStallLocked ends the stall, so that the client is read again. It reports
// whether there was a stall. s.mu must be held.
func (s *Session) endStallLocked() bool {
	stall := s.stall.Swap(nil)
	if stall != nil {
		close(stall.ended)
	}
	return stall != nil
}

// beginStall begins a stall and returns it with the WebSocket of the session.
// It returns nil if few enough bytes wait for handlers, or the session has
// ended.
func (s *Session) beginStall() (*stall, *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != sessionOpen {
		return nil, nil
	}
	begun := &stall{ended: make(chan struct{})}
	s.stall.Store(begun)
	if s.held.Load() <= s.resumeAt() { // a concurrent Release may not have seen the stall
		s.endStallLocked()
		return nil, nil
	}
	return begun, s.link
}

// awaitHandlers returns when few enough bytes wait for handlers, or the session
// has ended. A stall that lasts longer than a heartbeat ends the session.
func (s *Session) awaitHandlers() {
	if s.held.Load() <= int64(s.engine.opts.MaxInbound) {
		return
	}
	stall, l := s.beginStall()
	if stall == nil {
		return
	}
	s.turn.handOver()
	if l != nil {
		l.uncork()
	}
	timeout := s.engine.opts.PingInterval + s.engine.opts.PingTimeout
	timer := time.AfterFunc(timeout, func() {
		s.engine.warnStall()
		s.Close(HandlerStall)
	})
	<-stall.ended
	timer.Stop()
}
