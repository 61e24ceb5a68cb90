package engineio

import "encoding/base64"

// separator stands between the packets of a polling payload.
const separator = '\x1e'

// Message is what leaves for a client as one unit: a text packet and the binary
// packets that belong to it. It is encoded once and shared by any number of
// sessions; nothing may change it.
type Message struct {
	frames      []byte // all packets, as WebSocket frames
	text        span   // the text packet within frames; empty if there is none
	attachments []span // the binary packets within frames
}

type span struct{ start, end int }

// NewMessage makes a message packet whose text is what fill appends, followed by
// a binary packet for each attachment. It copies the attachments. The hint is how
// many bytes fill is expected to append.
func NewMessage(hint int, fill func(dst []byte) []byte, attachments [][]byte) *Message {
	size := maxFrameHeader + 1 + hint
	for _, a := range attachments {
		size += maxFrameHeader + len(a)
	}
	buf := make([]byte, maxFrameHeader, size)
	buf = append(buf, packetMessage)
	return finish(fill(buf), attachments)
}

// NewText makes a message packet of one text.
func NewText(text []byte) *Message {
	return NewMessage(len(text), func(dst []byte) []byte { return append(dst, text...) }, nil)
}

// NewBinary makes a message of one binary packet without a text before it.
func NewBinary(data []byte) *Message {
	buf := appendBinaryHeader(make([]byte, 0, maxFrameHeader+len(data)), len(data))
	at := len(buf)
	return &Message{frames: append(buf, data...), attachments: []span{{at, at + len(data)}}}
}

// control makes a message of one Engine.IO packet, whose parts are given.
func control(packet ...string) *Message {
	size := maxFrameHeader
	for _, part := range packet {
		size += len(part)
	}
	buf := make([]byte, maxFrameHeader, size)
	for _, part := range packet {
		buf = append(buf, part...)
	}
	return finish(buf, nil)
}

// finish puts the frame header in front of the text that follows maxFrameHeader
// spare bytes in buf, and frames the attachments behind it.
func finish(buf []byte, attachments [][]byte) *Message {
	text := len(buf) - maxFrameHeader
	var header [maxFrameHeader]byte
	h := appendTextHeader(header[:0], text)
	skip := maxFrameHeader - len(h)
	copy(buf[skip:], h)
	m := &Message{text: span{len(h), len(h) + text}}
	for _, a := range attachments {
		buf = appendBinaryHeader(buf, len(a))
		at := len(buf) - skip
		buf = append(buf, a...)
		m.attachments = append(m.attachments, span{at, at + len(a)})
	}
	m.frames = buf[skip:]
	return m
}

// Size is the number of bytes the message takes in a queue and on a WebSocket.
func (m *Message) Size() int { return len(m.frames) }

// appendPayload appends the packets in the form of a polling payload.
func (m *Message) appendPayload(dst []byte) []byte {
	dst = append(dst, m.frames[m.text.start:m.text.end]...)
	for i, a := range m.attachments {
		if i > 0 || m.text.end > 0 {
			dst = append(dst, separator)
		}
		dst = append(dst, packetBinary)
		dst = base64.StdEncoding.AppendEncode(dst, m.frames[a.start:a.end])
	}
	return dst
}

// asText is the message for a client that asked for b64: its binary packets are
// text on a WebSocket too.
func (m *Message) asText() *Message {
	if len(m.attachments) == 0 {
		return m
	}
	text := m.frames[:m.text.end]
	out := append(make([]byte, 0, len(m.frames)*4/3+16), text...)
	for _, a := range m.attachments {
		data := m.frames[a.start:a.end]
		out = appendTextHeader(out, 1+base64.StdEncoding.EncodedLen(len(data)))
		out = append(out, packetBinary)
		out = base64.StdEncoding.AppendEncode(out, data)
	}
	return &Message{frames: out, text: m.text}
}

// The packet types, https://github.com/socketio/engine.io-protocol#packet-encoding.
const (
	packetOpen    = '0'
	packetClose   = '1'
	packetPing    = '2'
	packetPong    = '3'
	packetMessage = '4'
	packetUpgrade = '5'
	packetNoop    = '6'
	packetBinary  = 'b' // a message in base64, in text
)

const (
	probePing = "2probe"
	probePong = "3probe"
)

var (
	pingMessage  = control(string(packetPing))
	noopMessage  = control(string(packetNoop))
	closeMessage = control(string(packetClose))

	lateCloseMessage = control(string(packetClose)) // for a poll that has to wait, see byAnswer
)
