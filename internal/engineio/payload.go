package engineio

import "github.com/mojosocket/mojo/internal/engineio/codec"

// payload is the body of the answer to a poll.
type payload struct {
	packets []byte
	size    int       // bytes of its messages, which count as queued until it is written
	third   *payload3 // with revision 3, instead of packets; otherwise nil
}

// payload3 is a payload of revision 3, whose encoding depends on all its
// messages.
type payload3 struct{ messages []*Message }

func (s *Session) newPayload() payload {
	if s.revision == codec.Revision3 {
		return payload{third: new(payload3)}
	}
	return payload{}
}

func (p *payload) isEmpty() bool {
	return p.packets == nil && (p.third == nil || p.third.messages == nil)
}

func (p *payload) add(m *Message) {
	if p.third == nil {
		p.packets = m.AppendTo(p.packets)
		return
	}
	p.third.add(m)
}

// add is not inlined, to keep the stack of a poll that waits small.
//
//go:noinline
func (p *payload3) add(m *Message) { p.messages = append(p.messages, m) }

// encode returns the body and its Content-Type. With base64, the body is text.
func (p *payload) encode(base64 bool) (body []byte, contentType string) {
	if p.third == nil {
		return p.packets, textPlain
	}
	body, binary := codec.AppendPayload3(nil, p.third.messages, base64)
	if binary {
		return body, octetStream
	}
	return body, textPlain
}
