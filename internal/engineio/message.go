package engineio

import "github.com/mojosocket/mojo/internal/engineio/codec"

// The revisions of the protocol, see Session.Revision.
const (
	Revision3 = codec.Revision3
	Revision4 = codec.Revision4
)

// Message is what Session.Send sends: at most one text packet, and the binary
// packets that belong to it. It is encoded once and shared by any number of
// sessions.
type Message = codec.Message

// NewMessage makes a message with a text packet and a binary packet for each
// attachment. The function fill appends the text. The hint is the number of
// bytes that it is expected to append. NewMessage copies the attachments.
func NewMessage(hint int, fill func(dst []byte) []byte, attachments [][]byte) *Message {
	return codec.NewMessage(hint, fill, attachments)
}

// NewText makes a message with a text packet.
func NewText(text []byte) *Message { return codec.NewText(text) }

// NewBinary makes a message with one binary packet and no text packet. It
// copies data.
func NewBinary(data []byte) *Message { return codec.NewBinary(data) }
