package mojo

import (
	"fmt"

	"github.com/mojosocket/mojo/internal/parser"
	"github.com/mojosocket/mojo/internal/socketio"
)

// Binary is bytes that are sent as binary wherever they stand in an argument:
// in a struct, a slice or a map, where a []byte would become base64. In
// messages from clients it is decoded from binary, as a []byte is. A nil Binary
// is null.
type Binary = parser.Binary

// Message is an event from a client, or the answer to Conn.EmitWithAck. It owns
// its bytes and may be kept after OnMessage. Its methods are safe for
// concurrent use. The zero Message has no name and no arguments.
type Message struct {
	name  string
	args  parser.Args
	event *socketio.Event // nil for an answer
}

// Event returns the name of the event: "message" for socket.send, "" for an
// answer. A name that the client sent as a number is its decimal text.
func (m *Message) Event() string { return m.name }

// Len returns the number of arguments.
func (m *Message) Len() int { return m.args.Len() }

// Decode decodes the first len(dst) arguments, each into a pointer as
// encoding/json does. Binary is decoded into Binary and []byte at any depth,
// and into an interface as []byte. Decode returns an error if there are fewer
// arguments or if one does not fit; the arguments before it are decoded all the
// same.
func (m *Message) Decode(dst ...any) error {
	if len(dst) > m.Len() {
		return fmt.Errorf("mojo: %s has %d arguments; want at least %d", m.subject(), m.Len(), len(dst))
	}
	for i := range dst {
		if err := m.args.Decode(i, dst[i]); err != nil {
			return m.decodeError(i, dst[i], err)
		}
	}
	return nil
}

func (m *Message) decodeError(i int, dst any, err error) error {
	return fmt.Errorf("mojo: %s, argument %d into %T: %w", m.subject(), i+1, dst, err)
}

func (m *Message) subject() string {
	if m.event == nil {
		return "the answer"
	}
	return fmt.Sprintf("event %q", m.name)
}

// WantsAck reports whether the client waits for an answer.
func (m *Message) WantsAck() bool { return m.event != nil && m.event.WantsAck() }

// Ack answers the message. It may be called once, at any time: later calls
// return ErrAlreadyAcked. If the client does not wait for an answer, it does
// nothing and returns nil. It returns ErrNotConnected after the end of the
// connection, and the errors of Conn.Emit for arguments that cannot be sent.
func (m *Message) Ack(args ...any) error {
	if m.event == nil {
		return nil
	}
	return wrapError(m.event.Ack(args))
}
