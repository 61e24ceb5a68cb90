package engineio

import "github.com/mojosocket/mojo/internal/engineio/codec"

// payload is the body of the answer to a poll.
type payload struct {
	revision codec.Revision
	packets  []byte     // with revision 4
	messages []*Message // with revision 3, where the encoding depends on all of them
	size     int        // bytes of its messages, which count as queued until it is written
}

func (s *Session) newPayload() payload { return payload{revision: s.revision} }

func (p *payload) isEmpty() bool { return p.packets == nil && p.messages == nil }

func (p *payload) add(m *Message) {
	if p.revision == codec.Revision3 {
		p.messages = append(p.messages, m)
		return
	}
	p.packets = m.AppendTo(p.packets)
}

// encode returns the body and its Content-Type. With base64, the body is text.
func (p *payload) encode(base64 bool) (body []byte, contentType string) {
	if p.revision != codec.Revision3 {
		return p.packets, textPlain
	}
	body, binary := codec.AppendPayload3(nil, p.messages, base64)
	if binary {
		return body, octetStream
	}
	return body, textPlain
}
