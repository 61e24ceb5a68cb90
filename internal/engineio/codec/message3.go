package codec

import (
	"encoding/base64"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
)

// The messages of revision 3 differ in three ways from those of revision 4:
//
//   - A binary packet begins with its type: the byte 4, or in base64 "b4".
//   - A polling payload has the length of each packet. It is binary if a packet
//     is, unless the client wants base64.
//   - In a polling payload, characters that are not ASCII are escaped as in
//     JSON. Clients count the length of a text in different units, and those
//     before socket.io-client 2 decode it twice: they agree on ASCII alone. So
//     the text of a message must be JSON where it is not ASCII.

// typeMessageByte is the type of a binary packet.
const typeMessageByte = 4

// base64Prefix3 is in front of a binary packet in base64.
const base64Prefix3 = "b4"

// form3 is a Message as clients of revision 3 get it.
type form3 struct {
	frames []byte // as WebSocket frames
	text   []byte // the text packet for polling; empty if there is none
}

// revision3 returns the form for revision 3. The first call makes it, for all
// sessions that get the message.
func (m *Message) revision3() *form3 {
	if f := m.third.Load(); f != nil {
		return f
	}
	m.third.CompareAndSwap(nil, &form3{m.makeFrames3(), escape(m.textPacket())})
	return m.third.Load()
}

func (m *Message) textPacket() []byte { return m.frames[m.text.start:m.text.end] }

func (m *Message) makeFrames3() []byte {
	if len(m.attachments) == 0 {
		return m.frames
	}
	const growth = 3 // the type, and a header that may have two more bytes
	out := append(make([]byte, 0, len(m.frames)+growth*len(m.attachments)), m.frames[:m.text.end]...)
	for _, a := range m.attachments {
		data := m.frames[a.start:a.end]
		out = websocket.AppendHeader(out, websocket.Binary, 1+len(data))
		out = append(out, typeMessageByte)
		out = append(out, data...)
	}
	return out
}

// Frames3 returns the packets as WebSocket frames. They must not be changed.
func (m *Message) Frames3() []byte {
	if len(m.attachments) == 0 {
		return m.frames
	}
	return m.revision3().frames
}

// TextFrames3 returns the packets as WebSocket frames for a client that has
// requested base64. They must not be changed.
func (m *Message) TextFrames3() []byte { return m.textFrames(base64Prefix3) }

// AppendPayload3 appends a polling payload of messages to dst. It reports
// whether the payload is binary; with base64 it never is.
func AppendPayload3(dst []byte, messages []*Message, base64 bool) (payload []byte, binary bool) {
	for _, m := range messages {
		binary = binary || len(m.attachments) > 0 && !base64
	}
	for _, m := range messages {
		if binary {
			dst = m.appendBinary3(dst)
		} else {
			dst = m.appendText3(dst)
		}
	}
	return dst, binary
}

// appendText3 appends the packets to a payload that is text.
func (m *Message) appendText3(dst []byte) []byte {
	if text := m.revision3().text; len(text) > 0 {
		dst = strconv.AppendInt(dst, int64(len(text)), 10)
		dst = append(dst, ':')
		dst = append(dst, text...)
	}
	for _, a := range m.attachments {
		data := m.frames[a.start:a.end]
		dst = strconv.AppendInt(dst, int64(len(base64Prefix3)+base64.StdEncoding.EncodedLen(len(data))), 10)
		dst = append(dst, ':')
		dst = append(dst, base64Prefix3...)
		dst = base64.StdEncoding.AppendEncode(dst, data)
	}
	return dst
}

// The first byte of a packet in a binary payload, and the byte behind its
// length.
const (
	textMark   = 0
	binaryMark = 1
	lengthEnd  = 0xff
)

// appendBinary3 appends the packets to a payload that is binary.
func (m *Message) appendBinary3(dst []byte) []byte {
	if text := m.revision3().text; len(text) > 0 {
		dst = appendHeader3(dst, textMark, len(text))
		dst = append(dst, text...)
	}
	for _, a := range m.attachments {
		data := m.frames[a.start:a.end]
		dst = appendHeader3(dst, binaryMark, 1+len(data))
		dst = append(dst, typeMessageByte)
		dst = append(dst, data...)
	}
	return dst
}

// appendHeader3 appends the header of a packet in a binary payload. Each byte
// of the length is a decimal digit.
func appendHeader3(dst []byte, mark byte, length int) []byte {
	dst = append(dst, mark)
	start := len(dst)
	dst = strconv.AppendInt(dst, int64(length), 10)
	for i := start; i < len(dst); i++ {
		dst[i] -= '0'
	}
	return append(dst, lengthEnd)
}

// escape returns text with escapes for the characters that are not ASCII. It
// returns text itself if there are none.
func escape(text []byte) []byte {
	ascii := 0
	for ascii < len(text) && text[ascii] < utf8.RuneSelf {
		ascii++
	}
	if ascii == len(text) {
		return text
	}
	out := append(make([]byte, 0, 2*len(text)), text[:ascii]...)
	for rest := text[ascii:]; len(rest) > 0; {
		if rest[0] < utf8.RuneSelf {
			out = append(out, rest[0])
			rest = rest[1:]
			continue
		}
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			out = appendEscape(out, high)
			r = low
		}
		out = appendEscape(out, r)
	}
	return out
}

func appendEscape(dst []byte, unit rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[unit>>12&15], digits[unit>>8&15], digits[unit>>4&15], digits[unit&15])
}
