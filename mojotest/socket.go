package mojotest

import (
	"strings"
	"sync"

	"github.com/mojosocket/mojo/internal/parser"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Socket is the connection of a Tab to one namespace, like the socket that
// io(namespace) returns. Events that arrive are queued, without a limit, until
// the test reads them in their order.
//
// Browser.Dial and Tab.Connect return one. It stays valid when its connection
// ends: Connect and Tab.Reconnect connect it again. Call its methods in the
// test's goroutine.
type Socket struct {
	tab       *Tab
	namespace string
	auth      any

	mu      sync.Mutex // guards the fields below
	current *siotest.Socket
	ended   []*siotest.Socket // the sockets before current that may have unread events
}

// Tab returns the tab of the socket.
func (s *Socket) Tab() *Tab { return s.tab }

// Namespace returns the name of the namespace, for instance "/ChatSocket".
func (s *Socket) Namespace() string { return s.namespace }

// ID returns the socket.id, which is mojo.Conn.ID on the server.
func (s *Socket) ID() string { return s.currentSocket().SID() }

// Connected reports whether the socket is connected.
func (s *Socket) Connected() bool { return s.currentSocket().Reason() == "" }

// Emit sends an event and does not wait for the handler. The arguments are
// encoded as those of mojo.Conn.Emit: by encoding/json, and []byte and
// mojo.Binary as binary. It fails the test if an argument cannot be encoded or
// the name of the event is reserved. An event that is emitted while the socket
// is not connected reaches no handler; socket.io-client would keep it until the
// socket is connected again.
func (s *Socket) Emit(event string, args ...any) {
	s.tab.t.Helper()
	s.currentSocket().EmitPayload(s.encode(event, args))
}

// Call emits an event and waits for the ack, whose arguments are those of the
// Message. When Call returns, the server has queued the events that the handler
// emitted before its ack, see ExpectNothing. It fails the test if no ack
// arrives, for instance because the mojo.Events has no function for the event.
// The function Call also decodes the ack.
func (s *Socket) Call(event string, args ...any) Message {
	s.tab.t.Helper()
	answer := s.currentSocket().AskPayload(event, s.encode(event, args)).Wait()
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

// Next waits for the next event and returns it.
func (s *Socket) Next() Message {
	s.tab.t.Helper()
	e, err := s.next()
	if err != nil {
		s.tab.t.Fatalf("%v", err)
	}
	return s.message(e)
}

// Expect waits for the next event, and fails the test if it has another name or
// other arguments. All arguments must be given. They are compared as JSON, so a
// struct and a map with the same fields are equal, and binary is compared byte
// by byte:
//
//	chat.Expect("said", "hello")
//
// The function Expect decodes an argument instead of comparing it.
func (s *Socket) Expect(event string, args ...any) Message {
	s.tab.t.Helper()
	want, err := expectedEvent(event, args)
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

// Await waits for the next event of this name and returns it. It drops events
// with other names that arrive first; a failure names the last ten of them. The
// function Await also decodes the argument.
func (s *Socket) Await(event string) Message {
	s.tab.t.Helper()
	var dropped []string
	for {
		e, err := s.next()
		if err != nil {
			s.tab.t.Fatalf("%q was awaited: %v%s", event, err, lastDropped(dropped))
		}
		if e.Name == event {
			return s.message(e)
		}
		dropped = append(dropped, s.message(e).String())
	}
}

// lastDropped returns the part of Await's failure text that names the events
// that it has dropped.
func lastDropped(events []string) string {
	if len(events) == 0 {
		return ""
	}
	return "\nevents dropped before: " + strings.Join(events[max(0, len(events)-10):], ", ")
}

// ExpectNothing fails the test if an event has arrived that the test has not
// read. Before that it waits for all messages that the server has queued for
// this connection.
//
// It does not wait for handlers that are still running. So wait for the handler
// first, or the test proves nothing: use Call in place of Emit, expect another
// event that the handler emits, or call synctest.Wait in a bubble.
func (s *Socket) ExpectNothing() {
	s.tab.t.Helper()
	if unread := s.Unread(); len(unread) > 0 {
		s.tab.t.Fatalf("nothing was expected on %s, but there is %s", s.namespace, unread[0])
	}
}

// Unread returns the events that would make ExpectNothing fail, oldest first,
// and marks them as read. It is for tests that allow some events and not
// others.
func (s *Socket) Unread() []Message {
	s.tab.t.Helper()
	if s.tab.connected() {
		s.tab.connection().Barrier()
	}
	var unread []Message
	for s.unreadCount() > 0 {
		unread = append(unread, s.Next())
	}
	return unread
}

// Disconnect disconnects from the namespace, as socket.disconnect() does. The
// other namespaces of the tab stay connected.
func (s *Socket) Disconnect() { s.currentSocket().Disconnect() }

// Connect connects the socket again after Disconnect, or after the server has
// disconnected it, as socket.connect() does. The connection of the tab must be
// open. It fails the test if the server refuses. On a connected socket it does
// nothing.
func (s *Socket) Connect() {
	s.tab.t.Helper()
	if s.Connected() {
		return
	}
	if err := s.reconnect(); err != nil {
		s.tab.t.Fatalf("%v", err)
	}
}

// AwaitDisconnect waits until the socket is disconnected and returns the
// reason. The test can still read the events that arrived before.
func (s *Socket) AwaitDisconnect() Reason {
	s.tab.t.Helper()
	return reason(s.currentSocket().AwaitDisconnected())
}

// reconnects reports whether Reconnect connects the socket again.
func (s *Socket) reconnects() bool {
	switch s.currentSocket().Reason() {
	case siotest.ReasonServerDisconnect, siotest.ReasonClientDisconnect:
		return false
	}
	return true
}

// reconnect connects the socket again, over the current connection of the tab.
func (s *Socket) reconnect() error {
	s.tab.t.Helper()
	current, err := s.tab.connectNamespace(s.namespace, s.auth)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, s.current)
	s.current = current
	return nil
}

func (s *Socket) currentSocket() *siotest.Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// next waits for an event. Unread events of an earlier connection come first.
func (s *Socket) next() (siotest.Event, error) {
	s.mu.Lock()
	for len(s.ended) > 0 && s.ended[0].Unread() == 0 {
		s.ended = s.ended[1:]
	}
	from := s.current
	if len(s.ended) > 0 {
		from = s.ended[0]
	}
	s.mu.Unlock()
	return from.TryNext()
}

// unreadCount returns the number of unread events.
func (s *Socket) unreadCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.current.Unread()
	for _, ended := range s.ended {
		n += ended.Unread()
	}
	return n
}

// expectedEvent returns the event with which Expect compares.
func expectedEvent(event string, args []any) (siotest.Event, error) {
	p, err := parser.EncodeOwnEvent(event, args)
	if err != nil {
		return siotest.Event{}, err
	}
	return siotest.NewEvent(siotest.Payload{JSON: p.JSON, Attachments: p.Attachments})
}
