package engineio

import "github.com/mojosocket/mojo/internal/engineio/codec"

// Message is a unit that leaves for a client: one or no text packet and the
// binary packets that belong to it. It is encoded once and shared by any number
// of sessions.
type Message = codec.Message

// NewMessage makes a message whose text is what fill appends, followed by the
// attachments, which it copies. The hint is the expected number of bytes that
// fill appends.
func NewMessage(hint int, fill func(dst []byte) []byte, attachments [][]byte) *Message {
	return codec.NewMessage(hint, fill, attachments)
}

// NewText makes a message of a text.
func NewText(text []byte) *Message { return codec.NewText(text) }

// NewBinary makes a binary message without a text. It copies data.
func NewBinary(data []byte) *Message { return codec.NewBinary(data) }
