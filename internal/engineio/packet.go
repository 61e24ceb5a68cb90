package engineio

import (
	"encoding/base64"
	"errors"
	"time"
)

var (
	errPacket      = errors.New("invalid Engine.IO packet")
	errClientClose = errors.New("the client sent a close packet")
)

// receive handles one text packet of a session whose inbound is held. It returns
// errClientClose for a close packet.
func (s *Session) receive(p []byte) error {
	if len(p) == 0 {
		return errPacket
	}
	switch p[0] {
	case packetMessage:
		return s.deliver(p[1:], false)
	case packetBinary:
		data := make([]byte, base64.StdEncoding.DecodedLen(len(p)-1))
		n, err := base64.StdEncoding.Decode(data, p[1:])
		if err != nil {
			return errPacket
		}
		return s.deliver(data[:n], true)
	case packetPong:
		s.pong()
	case packetNoop:
	case packetClose:
		return errClientClose
	default:
		return errPacket
	}
	return nil
}

// deliver hands a message to the handler and then waits, if need be, until the
// handler has caught up.
func (s *Session) deliver(data []byte, binary bool) error {
	s.mu.Lock()
	live := s.state == open
	s.mu.Unlock()
	if !live {
		return nil
	}
	s.engine.counters.messagesIn.Add(1)
	s.engine.counters.bytesIn.Add(uint64(len(data)))
	if err := s.handle(data, binary); err != nil {
		return err
	}
	s.awaitRoom()
	return nil
}

// handle has the handler take a message. Of large messages, for which a processor may
// be busy for milliseconds, it takes a few at a time, so that processors are left for
// others. Behind each the client rests: it is not read faster than 32 MB a second.
func (s *Session) handle(data []byte, binary bool) error {
	if len(data) <= largeMessage {
		return s.handler.Message(data, binary)
	}
	s.engine.large <- struct{}{}
	err := s.handler.Message(data, binary)
	<-s.engine.large
	if err == nil {
		time.Sleep(time.Duration(len(data)/largeMessage) * largeRest)
	}
	return err
}

// largeRest is how long a client rests for each largeMessage bytes of a large message.
const largeRest = 2 * time.Millisecond
