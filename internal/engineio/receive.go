package engineio

import (
	"errors"
	"time"

	"github.com/mojosocket/mojo/internal/engineio/codec"
)

var errClientClose = errors.New("the client sent a close packet")

// receive handles one text packet. After the end of the session a message is
// ignored. A close packet is answered with errClientClose. s.inbound must be
// held.
func (s *Session) receive(p []byte, isOpen bool) error {
	packetType, data, err := codec.Decode(p)
	switch {
	case err != nil:
		return err
	case packetType == codec.TypeClose:
		return errClientClose
	case packetType == codec.TypePong:
		s.pong()
	case packetType == codec.TypeNoop, !isOpen:
	default:
		return s.deliver(data, packetType == codec.TypeBinary)
	}
	return nil
}

// deliver passes a message to the handler and then waits, if the handler is
// behind, until it has caught up. The session must be open. s.inbound must be
// held.
func (s *Session) deliver(data []byte, binary bool) error {
	s.engine.counters.messagesIn.Add(1)
	s.engine.counters.bytesIn.Add(uint64(len(data)))
	if err := s.handle(data, binary); err != nil {
		return err
	}
	s.awaitRoom()
	return nil
}

// handle calls Handler.Message. A large message may keep a processor busy for
// milliseconds, so the engine handles only a few of them at a time, and none
// for half of the time, which leaves processors to others. After each the
// client rests: it cannot send more than 32 MB a second.
func (s *Session) handle(data []byte, binary bool) error {
	if len(data) <= largeMessage {
		return s.handler.Message(data, binary)
	}
	rest := time.Duration(len(data)/largeMessage) * largeRest
	s.engine.large <- struct{}{}
	begun := s.engine.now()
	err := s.handler.Message(data, binary)
	others := min(s.engine.now()-begun, rest)
	time.Sleep(others)
	<-s.engine.large
	if err == nil {
		time.Sleep(rest - others)
	}
	return err
}

// largeRest is the time that a client rests for each largeMessage bytes of a
// large message.
const largeRest = 2 * time.Millisecond

// stall is the time during which nothing is read from a client, because too
// much waits for handlers.
type stall struct{ over chan struct{} }

// Hold adds n bytes to those that wait for handlers. Above Options.MaxInbound
// nothing more is read from the client, until Release has brought them down to
// half of that.
func (s *Session) Hold(n int) { s.held.Add(int64(n)) }

// Release subtracts n bytes from those that wait for handlers.
func (s *Session) Release(n int) {
	if s.held.Add(-int64(n)) > s.roomAt() || s.stall.Load() == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endStallLocked() {
		s.extendPongLocked()
	}
}

// roomAt is the number of bytes at which reading goes on after a stall.
func (s *Session) roomAt() int64 { return int64(s.engine.opts.MaxInbound / 2) }

// endStallLocked makes reading go on. It reports whether there was a stall.
// s.mu must be held.
func (s *Session) endStallLocked() bool {
	stall := s.stall.Swap(nil)
	if stall != nil {
		close(stall.over)
	}
	return stall != nil
}

// beginStall begins a stall, unless few enough bytes wait for handlers, or the
// session has ended.
func (s *Session) beginStall() (*stall, *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != sessionOpen {
		return nil, nil
	}
	begun := &stall{over: make(chan struct{})}
	s.stall.Store(begun)
	if s.held.Load() <= s.roomAt() { // a Release may not have seen the stall
		s.endStallLocked()
		return nil, nil
	}
	return begun, s.link
}

// awaitRoom returns when few enough bytes wait for handlers, or the session has
// ended. A stall that lasts longer than a heartbeat ends the session.
func (s *Session) awaitRoom() {
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
	patience := s.engine.opts.PingInterval + s.engine.opts.PingTimeout
	timer := time.AfterFunc(patience, func() {
		s.engine.warnStall()
		s.Close(HandlerStall)
	})
	<-stall.over
	timer.Stop()
}
