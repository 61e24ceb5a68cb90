package siotest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
)

// Socket is the connection of a Client to one namespace.
//
// Emit, Ask and Disconnect are safe for concurrent use. Call the other methods
// in the test's goroutine.
type Socket struct {
	client    *Client
	namespace string
	sid       string
	events    mailbox[Event]

	mu           sync.Mutex // guards the fields below
	nextID       uint64
	pendingAcks  map[uint64]*Answer
	reason       string
	disconnected chan struct{} // closed when reason is set
}

// The reasons why a Socket ended, besides those of its Engine.
const (
	ReasonServerDisconnect = "io server disconnect" // the server sent DISCONNECT
	ReasonClientDisconnect = "io client disconnect" // Disconnect was called
	ReasonReplaced         = "replaced"             // the server answered a second CONNECT for the namespace
)

func (s *Socket) t() testing.TB { return s.client.Engine.t }

// SID returns the id of the socket, which is not that of the Engine.
func (s *Socket) SID() string { return s.sid }

// Namespace returns the name of the namespace.
func (s *Socket) Namespace() string { return s.namespace }

// Emit sends an event. A []byte that is an argument, or inside map[string]any
// or []any, becomes an attachment. Emit sends even after the end of the socket,
// so that a test can see how the server reacts.
func (s *Socket) Emit(event string, args ...any) {
	s.t().Helper()
	s.send(typeBinaryEvent, typeEvent, nil, append([]any{event}, args...))
}

// EmitPayload is Emit for an encoded event.
func (s *Socket) EmitPayload(p Payload) {
	s.client.send(encodedFrame(typeBinaryEvent, typeEvent, s.namespace, nil, p))
}

// Ask emits an event with an ack id, and does not wait for the ack.
func (s *Socket) Ask(event string, args ...any) *Answer {
	s.t().Helper()
	a, id := s.ask(event)
	s.send(typeBinaryEvent, typeEvent, &id, append([]any{event}, args...))
	return a
}

// AskPayload is Ask for an encoded event with this name.
func (s *Socket) AskPayload(event string, p Payload) *Answer {
	a, id := s.ask(event)
	s.client.send(encodedFrame(typeBinaryEvent, typeEvent, s.namespace, &id, p))
	return a
}

func (s *Socket) ask(event string) (*Answer, uint64) {
	a := &Answer{socket: s, event: event}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.nextID
	s.nextID++
	if s.pendingAcks[id] = a; s.reason != "" {
		a.box.close()
	}
	return a, id
}

// Call emits an event and waits for its ack, whose Event has no name. It fails
// the test after Site.Limit.
func (s *Socket) Call(event string, args ...any) Event {
	s.t().Helper()
	return s.Ask(event, args...).Wait()
}

// Answer is the ack to an event that was sent with Ask.
type Answer struct {
	socket *Socket
	event  string
	box    mailbox[Event]
}

// Wait waits for the ack and returns it. It may be called once. It fails the
// test after Site.Limit, or if the socket ends first.
func (a *Answer) Wait() Event {
	a.socket.t().Helper()
	e, err := waitFor(&a.box, a.socket.client.Engine.site.Limit)
	if err != nil {
		a.socket.t().Fatalf("no ack of %q came on %s: %v%s", a.event, a.socket.namespace, err, a.socket.endText())
	}
	return e
}

// Arrived reports whether the ack has arrived.
func (a *Answer) Arrived() bool { return a.box.len() > 0 }

// Next waits for the next event and returns it. It fails the test after
// Site.Limit, or if the socket ends first. Events that arrived before the end
// can still be read.
func (s *Socket) Next() Event {
	s.t().Helper()
	e, err := s.TryNext()
	if err != nil {
		s.t().Fatalf("%v", err)
	}
	return e
}

// TryNext is Next, but returns an error instead of failing the test.
func (s *Socket) TryNext() (Event, error) {
	e, err := waitFor(&s.events, s.client.Engine.site.Limit)
	if err != nil {
		err = fmt.Errorf("no event came on %s: %w%s", s.namespace, err, s.endText())
	}
	return e, err
}

// Unread returns the number of unread events.
func (s *Socket) Unread() int { return s.events.len() }

// Expect waits for the next event and returns it. It fails the test if the
// event has another name or other arguments, see Event.Differs.
func (s *Socket) Expect(event string, args ...any) Event {
	s.t().Helper()
	got := s.Next()
	if differs := got.Differs(event, args...); differs != "" {
		s.t().Fatalf("another event was expected on %s:\n%s", s.namespace, differs)
	}
	return got
}

// Barrier is Client.Barrier.
func (s *Socket) Barrier() {
	s.t().Helper()
	s.client.Barrier()
}

// ExpectNothing fails the test if there is an unread event after a Barrier.
func (s *Socket) ExpectNothing() {
	s.t().Helper()
	s.Barrier()
	if s.events.len() > 0 {
		s.t().Fatalf("nothing was expected on %s, but there is %s", s.namespace, s.Next())
	}
}

// Disconnect sends a DISCONNECT. Packets for the namespace that arrive later
// are dropped.
func (s *Socket) Disconnect() {
	s.client.removeSocket(s)
	s.client.send(&frame{kind: typeDisconnect, namespace: s.namespace})
	s.end(ReasonClientDisconnect)
}

// Disconnected returns a channel that is closed when the socket has ended.
func (s *Socket) Disconnected() <-chan struct{} { return s.disconnected }

// AwaitDisconnected waits until the socket has ended and returns the reason:
// one of the constants above, or of the Engine. It fails the test after
// Site.Limit.
func (s *Socket) AwaitDisconnected() string {
	s.t().Helper()
	ctx, cancel := s.client.Engine.site.WithLimit(context.Background())
	defer cancel()
	select {
	case <-s.disconnected:
	case <-ctx.Done():
		s.t().Fatalf("%s was not disconnected", s.namespace)
	}
	return s.Reason()
}

// Reason returns the reason why the socket ended. It returns "" while the
// socket is connected.
func (s *Socket) Reason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

func (s *Socket) endText() string {
	reason := s.Reason()
	if reason == "" {
		return ""
	}
	return fmt.Sprintf(" (the socket ended: %s, error: %v)", reason, s.client.Engine.Err())
}

// end ends the socket. Only the first call has an effect.
func (s *Socket) end(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason != "" {
		return
	}
	s.reason = reason
	s.events.close()
	for _, a := range s.pendingAcks {
		a.box.close()
	}
	s.pendingAcks = map[uint64]*Answer{}
	close(s.disconnected)
}

func (s *Socket) send(binaryKind, textKind int, ackID *uint64, args []any) {
	s.t().Helper()
	f, err := newFrame(binaryKind, textKind, s.namespace, ackID, args)
	if err != nil {
		s.t().Fatalf("the arguments cannot be encoded: %v", err)
	}
	s.client.send(f)
}

// receive handles a packet for this namespace.
func (s *Socket) receive(f *frame) error {
	switch f.kind {
	case typeDisconnect:
		s.client.removeSocket(s)
		s.end(ReasonServerDisconnect)
		return nil
	case typeEvent, typeBinaryEvent:
		name, args, err := f.event()
		if err != nil {
			return err
		}
		s.events.put(Event{Name: name, Args: args, Attachments: f.attachments, AckID: f.ackID, socket: s})
		return nil
	default:
		return s.receiveAck(f)
	}
}

func (s *Socket) receiveAck(f *frame) error {
	args, err := f.array()
	if err != nil {
		return err
	}
	s.mu.Lock()
	a, known := s.pendingAcks[*f.ackID]
	delete(s.pendingAcks, *f.ackID)
	ended := s.reason != ""
	s.mu.Unlock()
	if !known && !ended {
		return violation("ack %d on %s, which the client did not ask for: %s", *f.ackID, s.namespace, json.RawMessage(f.payload))
	}
	if known {
		a.box.put(Event{Args: args, Attachments: f.attachments, socket: s})
	}
	return nil
}
