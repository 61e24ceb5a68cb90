// Package codec encodes and decodes the packets of Engine.IO, for polling
// payloads and for WebSocket frames. Names without a number are those of
// revision 4; names that end in 3 are those of revision 3. It does no I/O.
package codec

import (
	"bytes"
	"encoding/base64"
	"errors"
	"sync/atomic"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// Revision is a revision of the protocol, as in the query parameter "EIO".
type Revision uint8

// The revisions that a client may speak.
const (
	Revision3 Revision = 3
	Revision4 Revision = 4
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

// Message is what a server sends as a unit: at most one text packet, and the
// binary packets that belong to it. It is encoded once and shared by any number
// of sessions, so it must not be changed.
type Message struct {
	frames      []byte // all packets, as WebSocket frames
	text        span   // the text packet within frames; empty if there is none
	attachments []span // the binary packets within frames

	third atomic.Pointer[form3] // the message for clients of revision 3; nil before the first one
}

// span is a part of Message.frames. It is wrong for a message above 4 GiB,
// which must not be sent.
type span struct{ start, end uint32 }

func newSpan(start, length int) span { return span{uint32(start), uint32(start + length)} }

// NewMessage makes a message packet and a binary packet for each attachment.
// The function fill appends the text. The hint is the number of bytes that it
// is expected to append. NewMessage copies the attachments.
func NewMessage(hint int, fill func(dst []byte) []byte, attachments [][]byte) *Message {
	size := websocket.MaxHeader + 1 + hint
	for _, a := range attachments {
		size += websocket.MaxHeader + len(a)
	}
	buf := make([]byte, websocket.MaxHeader, size)
	buf = append(buf, TypeMessage)
	return newMessage(fill(buf), attachments)
}

// NewText makes a message packet with a text.
func NewText(text []byte) *Message {
	return NewMessage(len(text), func(dst []byte) []byte { return append(dst, text...) }, nil)
}

// NewBinary makes a binary packet without a text packet before it. It copies
// data.
func NewBinary(data []byte) *Message {
	buf := websocket.AppendHeader(make([]byte, 0, websocket.MaxHeader+len(data)), websocket.Binary, len(data))
	start := len(buf)
	return &Message{frames: append(buf, data...), attachments: []span{newSpan(start, len(data))}}
}

// NewPacket makes a text packet of any type. Its text is the parts, joined.
func NewPacket(parts ...string) *Message {
	size := websocket.MaxHeader
	for _, part := range parts {
		size += len(part)
	}
	buf := make([]byte, websocket.MaxHeader, size)
	for _, part := range parts {
		buf = append(buf, part...)
	}
	return newMessage(buf, nil)
}

// newMessage makes a Message of a text and attachments. The text is in buf,
// behind websocket.MaxHeader unused bytes for its frame header.
func newMessage(buf []byte, attachments [][]byte) *Message {
	text := len(buf) - websocket.MaxHeader
	var header [websocket.MaxHeader]byte
	h := websocket.AppendHeader(header[:0], websocket.Text, text)
	skip := websocket.MaxHeader - len(h)
	copy(buf[skip:], h)
	m := &Message{text: newSpan(len(h), text)}
	for _, a := range attachments {
		buf = websocket.AppendHeader(buf, websocket.Binary, len(a))
		start := len(buf) - skip
		buf = append(buf, a...)
		m.attachments = append(m.attachments, newSpan(start, len(a)))
	}
	m.frames = buf[skip:]
	return m
}

// Size returns the number of bytes that the message takes in a queue and on a
// WebSocket.
func (m *Message) Size() int { return len(m.frames) }

// Frames returns the packets as WebSocket frames. They must not be changed.
func (m *Message) Frames() []byte { return m.frames }

// TextFrames returns the packets as WebSocket frames for a client that has
// requested base64: binary packets are sent in text frames. They must not be
// changed.
func (m *Message) TextFrames() []byte { return m.textFrames(string(TypeBinary)) }

// textFrames is TextFrames. The prefix is in front of each base64 text.
func (m *Message) textFrames(prefix string) []byte {
	if len(m.attachments) == 0 {
		return m.frames
	}
	out := append(make([]byte, 0, len(m.frames)*4/3+16), m.frames[:m.text.end]...)
	for _, a := range m.attachments {
		data := m.frames[a.start:a.end]
		out = websocket.AppendHeader(out, websocket.Text, len(prefix)+base64.StdEncoding.EncodedLen(len(data)))
		out = append(out, prefix...)
		out = base64.StdEncoding.AppendEncode(out, data)
	}
	return out
}

// AppendTo appends the packets to a polling payload, which may be empty.
func (m *Message) AppendTo(payload []byte) []byte {
	if len(payload) > 0 {
		payload = append(payload, Separator)
	}
	payload = append(payload, m.frames[m.text.start:m.text.end]...)
	for i, a := range m.attachments {
		if i > 0 || m.text.end > 0 {
			payload = append(payload, Separator)
		}
		payload = append(payload, TypeBinary)
		payload = base64.StdEncoding.AppendEncode(payload, m.frames[a.start:a.end])
	}
	return payload
}
