package mojotest

import (
	"sync"

	"github.com/mojosocket/mojo/internal/parser"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Socket is a Tab on one namespace: what io(namespace) returns. Events that arrive
// wait in a queue without a bound until the test reads them, in their order.
//
// Emit may be called from any goroutine. What waits or can fail the test belongs in
// the test's.
type Socket struct {
	tab       *Tab
	namespace string
	auth      any

	mu      sync.Mutex // guards the fields below
	current *siotest.Socket
	ended   []*siotest.Socket // those before, which may have events that were not read
}

// Tab returns the tab, which has the connection.
func (s *Socket) Tab() *Tab { return s.tab }

// Namespace returns what the socket was connected to.
func (s *Socket) Namespace() string { return s.namespace }

// ID is the id that the server has given to the socket, which mojo.Conn.ID is there.
func (s *Socket) ID() string { return s.live().SID() }

// Connected reports whether the socket is connected.
func (s *Socket) Connected() bool { return s.live().Reason() == "" }

// Emit sends an event. The arguments are what mojo.Conn.Emit takes: values for
// encoding/json; []byte and mojo.Binary travel as binary. It does not wait for the
// handler. It fails the test if an argument cannot be encoded or the event is
// reserved.
func (s *Socket) Emit(event string, args ...any) {
	s.tab.t.Helper()
	s.live().EmitPayload(s.encode(event, args))
}

// Call emits an event, and waits for the answer: the Message whose arguments are
// those of the handler's ack. When it has returned, the handler has answered, and
// everything that it emitted before that is on its way. It fails the test if there is
// no answer within Server.Timeout. The function Call also decodes the answer.
func (s *Socket) Call(event string, args ...any) Message {
	s.tab.t.Helper()
	answer := s.live().AskPayload(event, s.encode(event, args)).Wait()
	return s.message(answer)
}

func (s *Socket) encode(event string, args []any) siotest.Payload {
	s.tab.t.Helper()
	p, err := parser.EncodeEvent(event, args)
	if err != nil {
		s.tab.t.Fatalf("mojotest: event %q: %v", event, err)
	}
	return siotest.Payload{JSON: p.JSON, Attachments: p.Attachments}
}

// Next waits for the next event, whichever it is. It fails the test if none comes
// within Server.Timeout, or the socket ends first.
func (s *Socket) Next() Message {
	s.tab.t.Helper()
	e, err := s.next()
	if err != nil {
		s.tab.t.Fatalf("%v", err)
	}
	return s.message(e)
}

// Expect waits for the next event, and fails the test unless it has this name and
// these arguments, all of them. They are compared as what JSON makes of them: an
// argument may be a struct, or a map with the same fields.
//
//	chat.Expect("said", "hello")
//
// To look at the arguments in another way use Next, or the function Expect.
func (s *Socket) Expect(event string, args ...any) Message {
	s.tab.t.Helper()
	want, err := wanted(event, args)
	if err != nil {
		s.tab.t.Fatalf("mojotest: event %q: %v", event, err)
	}
	got, err := s.next()
	if err != nil {
		s.tab.t.Fatalf("%s was expected: %v", s.message(want), err)
	}
	if differs := got.DiffersFrom(want); differs != "" {
		s.tab.t.Fatalf("another event was expected on %s:\n%s", s.namespace, differs)
	}
	return s.message(got)
}

// Await waits for the next event of this name, and drops those of other names that
// come before it. The function Await also decodes it.
func (s *Socket) Await(event string) Message {
	s.tab.t.Helper()
	for {
		e, err := s.next()
		if err != nil {
			s.tab.t.Fatalf("%q was awaited: %v", event, err)
		}
		if e.Name == event {
			return s.message(e)
		}
	}
}

// ExpectNothing fails the test if there is an event that was not read, or one on its
// way: it waits until everything has arrived that the server has queued for this
// connection so far.
//
// Handlers that still run may emit more. So give the event that must not come its
// chance first: wait for the answer of a Call, for an event that comes with it, or, in
// a bubble, for synctest.Wait.
func (s *Socket) ExpectNothing() {
	s.tab.t.Helper()
	if unread := s.Unread(); len(unread) > 0 {
		s.tab.t.Fatalf("nothing was expected on %s, but there is %s", s.namespace, unread[0])
	}
}

// Unread reads the events that have arrived and those on their way, as said at
// ExpectNothing, and returns them, for a test in which some may come and others
// must not.
func (s *Socket) Unread() []Message {
	s.tab.t.Helper()
	if s.tab.connected() {
		s.tab.connection().Barrier()
	}
	var unread []Message
	for s.waiting() > 0 {
		unread = append(unread, s.Next())
	}
	return unread
}

// Disconnect leaves the namespace, as socket.disconnect() does: the tab and its
// other namespaces stay.
func (s *Socket) Disconnect() { s.live().Disconnect() }

// Connect connects the socket again after a Disconnect, or after the server has
// disconnected it, as socket.connect() does. It fails the test if that is refused.
func (s *Socket) Connect() {
	s.tab.t.Helper()
	if s.Connected() {
		return
	}
	if err := s.rejoin(); err != nil {
		s.tab.t.Fatalf("%v", err)
	}
}

// AwaitDisconnect waits for the socket's end and returns the reason, which
// socket.io-client passes to its disconnect event. Events that came before can still
// be read. It fails the test after Server.Timeout.
func (s *Socket) AwaitDisconnect() Reason {
	s.tab.t.Helper()
	return reason(s.live().AwaitDisconnected())
}

// comesBack reports whether a client connects the socket again when it reconnects.
func (s *Socket) comesBack() bool {
	switch s.live().Reason() {
	case siotest.ReasonServerDisconnect, siotest.ReasonClientDisconnect:
		return false
	}
	return true
}

// rejoin connects the socket over the connection that the tab has.
func (s *Socket) rejoin() error {
	s.tab.t.Helper()
	current, err := s.tab.join(s.namespace, s.auth)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, s.current)
	s.current = current
	return nil
}

func (s *Socket) live() *siotest.Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// next waits for an event. Those of an earlier connection come first.
func (s *Socket) next() (siotest.Event, error) {
	s.mu.Lock()
	for len(s.ended) > 0 && s.ended[0].Waiting() == 0 {
		s.ended = s.ended[1:]
	}
	from := s.current
	if len(s.ended) > 0 {
		from = s.ended[0]
	}
	s.mu.Unlock()
	return from.TryNext()
}

// waiting is the number of events that were not read.
func (s *Socket) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.current.Waiting()
	for _, ended := range s.ended {
		n += ended.Waiting()
	}
	return n
}

// wanted is an event to compare with.
func wanted(event string, args []any) (siotest.Event, error) {
	p, err := parser.EncodeOwnEvent(event, args)
	if err != nil {
		return siotest.Event{}, err
	}
	return siotest.NewEvent(siotest.Payload{JSON: p.JSON, Attachments: p.Attachments})
}
