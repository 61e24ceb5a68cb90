package engineio

import (
	"bytes"
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
		data, err := decodeBase64(p[1:])
		if err != nil {
			return errPacket
		}
		return s.deliver(data, true)
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
// be busy for milliseconds, it takes a few at a time, and for half of the time none, so
// that processors are left for others. Behind each the client rests: it is not read
// faster than 32 MB a second.
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

// largeRest is how long a client rests for each largeMessage bytes of a large message.
const largeRest = 2 * time.Millisecond

// decodeBase64 decodes text, which it may modify. As Node does, it takes the URL-safe
// alphabet and text without padding, too.
func decodeBase64(text []byte) ([]byte, error) {
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(data, text)
	if err == nil {
		return data[:n], nil
	}
	for i, c := range text {
		switch c {
		case '-':
			text[i] = '+'
		case '_':
			text[i] = '/'
		}
	}
	data = make([]byte, base64.StdEncoding.DecodedLen(len(text)+2))
	n, err = base64.RawStdEncoding.Decode(data, withoutPadding(text))
	return data[:n], err
}

// withoutPadding returns base64 text without at most two signs of padding at its end.
func withoutPadding(text []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("=")), []byte("="))
}
