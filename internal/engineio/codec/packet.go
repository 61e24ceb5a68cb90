// Package codec encodes and decodes the packets of Engine.IO, revision 4, for
// polling payloads and for WebSocket frames. It does no I/O.
package codec

import (
	"bytes"
	"encoding/base64"
	"errors"
)

// The packet types,
// https://github.com/socketio/engine.io-protocol#packet-encoding.
const (
	TypeOpen    = '0'
	TypeClose   = '1'
	TypePing    = '2'
	TypePong    = '3'
	TypeMessage = '4'
	TypeUpgrade = '5'
	TypeNoop    = '6'
	TypeBinary  = 'b' // a binary message in base64, in a text packet
)

// The packets of a probe: the data of a ping and of a pong is "probe".
const (
	ProbePing = "2probe"
	ProbePong = "3probe"
)

// Separator separates the packets of a polling payload.
const Separator = '\x1e'

// ErrPacket is the error for a packet that a client must not send.
var ErrPacket = errors.New("invalid Engine.IO packet")

// Decode returns the type of a text packet from a client and its data. It
// accepts the types that a client may send on an established session. The data
// of a TypeBinary packet is decoded from base64. Decode may modify the packet.
func Decode(packet []byte) (packetType byte, data []byte, err error) {
	if len(packet) == 0 {
		return 0, nil, ErrPacket
	}
	packetType, data = packet[0], packet[1:]
	switch packetType {
	case TypeMessage, TypePong, TypeNoop, TypeClose:
		return packetType, data, nil
	case TypeBinary:
		if data, err = decodeBase64(data); err == nil {
			return packetType, data, nil
		}
	}
	return 0, nil, ErrPacket
}

// decodeBase64 decodes text, which it may modify. It also accepts the URL-safe
// alphabet and text without padding, as Node.js does.
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

// withoutPadding returns base64 text without up to two padding characters at
// its end.
func withoutPadding(text []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("=")), []byte("="))
}
