package codec

import (
	"encoding/base64"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// Message is what a server sends as a unit: at most one text packet, and the
// binary packets that belong to it. It is encoded once and shared by any number
// of sessions, so it must not be changed.
type Message struct {
	frames      []byte // all packets, as WebSocket frames
	text        span   // the text packet within frames; empty if there is none
	attachments []span // the binary packets within frames
}

// span is a part of Message.frames.
type span struct{ start, end int }

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
	return &Message{frames: append(buf, data...), attachments: []span{{start, start + len(data)}}}
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
	m := &Message{text: span{len(h), len(h) + text}}
	for _, a := range attachments {
		buf = websocket.AppendHeader(buf, websocket.Binary, len(a))
		start := len(buf) - skip
		buf = append(buf, a...)
		m.attachments = append(m.attachments, span{start, start + len(a)})
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
func (m *Message) TextFrames() []byte {
	if len(m.attachments) == 0 {
		return m.frames
	}
	out := append(make([]byte, 0, len(m.frames)*4/3+16), m.frames[:m.text.end]...)
	for _, a := range m.attachments {
		data := m.frames[a.start:a.end]
		out = websocket.AppendHeader(out, websocket.Text, 1+base64.StdEncoding.EncodedLen(len(data)))
		out = append(out, TypeBinary)
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
