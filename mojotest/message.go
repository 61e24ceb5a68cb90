package mojotest

import (
	"encoding/json"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/parser"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Message is an event that a Socket has received, or the ack of a Call. It is a
// value that the test may keep. The zero value has no name and no arguments.
// Decode and Ack must be called in the test's goroutine.
type Message struct {
	socket *Socket
	event  siotest.Event
	args   parser.Args
}

func (s *Socket) message(e siotest.Event) Message {
	s.tab.t.Helper()
	m := Message{socket: s, event: e}
	var err error
	if m.args, err = parser.SplitArgs([]byte(e.JSON()), e.Attachments); err != nil {
		s.tab.t.Fatalf("mojotest: arguments of %s: %v", m, err)
	}
	return m
}

// Event returns the name of the event, "" for an ack.
func (m Message) Event() string { return m.event.Name }

// Len returns the number of arguments.
func (m Message) Len() int { return m.args.Len() }

// JSON returns the arguments as a JSON array. Placeholder objects of Socket.IO
// stand for binary arguments.
func (m Message) JSON() string { return m.event.JSON() }

// String returns the name and the arguments, for instance said ["hello"].
func (m Message) String() string {
	if m.event.Name == "" {
		return m.JSON()
	}
	return m.event.Name + " " + m.JSON()
}

// Decode decodes the first len(dst) arguments, each into a pointer, as
// mojo.Message.Decode does. It fails the test if there are fewer arguments, or
// an argument does not fit.
func (m Message) Decode(dst ...any) {
	m.socket.tab.t.Helper()
	if len(dst) > m.Len() {
		m.socket.tab.t.Fatalf("%s has %d arguments; want at least %d", m, m.Len(), len(dst))
	}
	for i := range dst {
		if err := m.args.Decode(i, dst[i]); err != nil {
			m.socket.tab.t.Fatalf("argument %d of %s into %T: %v", i+1, m, dst[i], err)
		}
	}
}

// WantsAck reports whether the server waits for an ack, because it sent the
// event with mojo.Call or EmitWithAck, of a mojo.Conn or a mojo.Broadcast.
func (m Message) WantsAck() bool { return m.event.AckID != nil }

// Ack answers an event. It fails the test if the server does not wait for an
// ack, see WantsAck.
func (m Message) Ack(args ...any) {
	m.socket.tab.t.Helper()
	if !m.WantsAck() {
		m.socket.tab.t.Fatalf("%s wants no ack", m)
	}
	p, err := parser.EncodeArgs(args)
	if err != nil {
		m.socket.tab.t.Fatalf("mojotest: ack of %s: %v", m, err)
	}
	m.event.ReplyPayload(siotest.Payload{JSON: p.JSON, Attachments: p.Attachments})
}

// Err returns the error in an ack, as a mojo.ClientError: the functions of
// mojo.On and mojo.OnCall send it. Its Data is a json.RawMessage, or nil. Err
// returns nil if the message is not an ack with an error.
func (m Message) Err() error {
	var answer struct {
		Error *struct {
			Message string
			Data    json.RawMessage
		}
	}
	if m.Event() != "" || m.Len() != 1 || m.args.Decode(0, &answer) != nil || answer.Error == nil {
		return nil
	}
	e := mojo.ClientError{Message: answer.Error.Message}
	if answer.Error.Data != nil {
		e.Data = answer.Error.Data
	}
	return e
}

// Expect waits for the next event of a Socket and decodes its first argument:
//
//	said := mojotest.Expect[Said](chat, "said")
//
// It fails the test if the event has another name, or the argument does not
// decode into a T.
func Expect[T any](s *Socket, event string) T {
	s.tab.t.Helper()
	e, err := s.next()
	if err != nil {
		s.tab.t.Fatalf("%q was expected: %v", event, err)
	}
	m := s.message(e)
	if m.Event() != event {
		s.tab.t.Fatalf("%q was expected on %s, not %s", event, s.namespace, m)
	}
	var v T
	m.Decode(&v)
	return v
}

// Await waits for the next event of this name, as Socket.Await does, and
// decodes its first argument. It fails the test if the argument does not decode
// into a T.
func Await[T any](s *Socket, event string) T {
	s.tab.t.Helper()
	var v T
	s.Await(event).Decode(&v)
	return v
}

// Call emits an event, waits for the ack and decodes its first argument:
//
//	sum := mojotest.Call[int](calc, "add", Pair{1, 2})
//
// It fails the test if the ack is an error, see Message.Err, or the argument
// does not decode into a T.
func Call[T any](s *Socket, event string, args ...any) T {
	s.tab.t.Helper()
	m := s.Call(event, args...)
	if err := m.Err(); err != nil {
		s.tab.t.Fatalf("%q was answered with the error %q", event, err)
	}
	var v T
	m.Decode(&v)
	return v
}
