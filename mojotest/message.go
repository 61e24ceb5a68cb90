package mojotest

import (
	"encoding/json"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/parser"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Message is an event that a Socket has received, or the answer to a Call. It owns
// its bytes. The zero value has no arguments.
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

// Event is the name of the event, "" for an answer.
func (m Message) Event() string { return m.event.Name }

// Len is the number of arguments.
func (m Message) Len() int { return m.args.Len() }

// JSON is the array of the arguments. In the place of binary there is what Socket.IO
// puts there: an object with "_placeholder".
func (m Message) JSON() string { return m.event.JSON() }

// String is the name and the arguments: said ["hello"].
func (m Message) String() string {
	if m.event.Name == "" {
		return m.JSON()
	}
	return m.event.Name + " " + m.JSON()
}

// Decode decodes the first len(dst) arguments, each into a pointer, as
// mojo.Message.Decode does. It fails the test if there are fewer arguments, or one
// does not fit.
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

// WantsAck reports whether the server waits for an answer, which it does after
// mojo.Call and mojo.Conn.EmitWithAck.
func (m Message) WantsAck() bool { return m.event.AckID != nil }

// Ack answers an event. It fails the test if the server does not wait for that.
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

// Err returns the error with which a function of mojo.On or mojo.OnCall has
// answered, as a mojo.ClientError whose Data is a json.RawMessage, or nil without any.
// Nil if the answer is no such error.
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

// Expect waits for the next event of a Socket, which must have this name, and
// decodes its first argument:
//
//	said := mojotest.Expect[Said](chat, "said")
//
// It fails the test if another event comes, none does within Server.Timeout, or the
// argument is no T.
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

// Await is the method Await of a Socket, and decodes the first argument of the event
// as Expect does.
func Await[T any](s *Socket, event string) T {
	s.tab.t.Helper()
	var v T
	s.Await(event).Decode(&v)
	return v
}

// Call emits an event and decodes the first argument of the answer:
//
//	sum := mojotest.Call[int](calc, "add", Sum{1, 2})
//
// It fails the test if no answer comes within Server.Timeout, the answer is an error
// (see Message.Err), or its argument is no T.
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
