package mojo

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mojosocket/mojo/internal/parser"
)

// Events routes messages by event name to typed functions, which On, On2, On3,
// OnCall and Raw add. Its Handler is what Server.Register takes:
//
//	var chat mojo.Events
//	mojo.On(&chat, "say", func(c *mojo.Conn, text string) error { ... })
//	srv.Register("Chat", chat.Handler())
//
// The zero value is ready to use and accepts every client. Set it up in one
// goroutine, before the first call of Handler; after that it does not change.
// It must not be copied.
type Events struct {
	// Connect is SocketHandler.OnConnect. If it is nil, every client is
	// accepted.
	Connect func(c *Conn) error
	// Disconnect is SocketHandler.OnDisconnect. It may be nil.
	Disconnect func(c *Conn, reason Reason)
	// Fallback gets the events that have no function. If it is nil, they are
	// dropped without a line in the log, and a client that waits for an answer
	// gets none.
	Fallback func(c *Conn, m *Message)
	// Identity is IdentityObserver.OnIdentity. If it is nil, every change is
	// accepted.
	Identity func(c *Conn, old, now Identity) error
	// Presence is PresenceObserver.OnPresence. It may be nil.
	Presence func(ch *Channel, p Presence)
	// Emit is EmitObserver.OnEmit. It may be nil.
	Emit func(c *Conn, event string, args []any)

	routes map[string]EventFunc
	around []func(next EventFunc) EventFunc
	sealed atomic.Bool
}

// EventFunc handles a message. An error becomes the client's answer, see On.
type EventFunc func(c *Conn, m *Message) error

// Handler returns the SocketHandler that calls the functions of ev. It may be
// registered with several apps. After the first call On, On2, On3, OnCall and
// Raw panic, because clients could miss functions that are added later. The
// Handler of a nil Events is nil.
func (ev *Events) Handler() SocketHandler {
	if ev == nil {
		return nil
	}
	ev.sealed.Store(true)
	next := ev.dispatch
	for _, around := range slices.Backward(ev.around) {
		if next = around(next); next == nil {
			panic("mojo: a function for Events.Use returned nil")
		}
	}
	return eventsHandler{ev, next}
}

// Use puts around between the clients and the functions of ev: Handler calls it
// once, with the EventFunc that handles a message, and uses what it returns in
// its place. That function sees every event, also one without a function and
// one for Fallback. It may refuse a message by an error, or pass it on by next,
// and sees the error that next returns. It decides itself if it returns nil
// without calling next: then it should answer by Message.Ack.
//
//	ev.Use(func(next mojo.EventFunc) mojo.EventFunc {
//		return func(c *mojo.Conn, m *mojo.Message) error {
//			if c.UserID() == "" {
//				return mojo.ClientError{Message: "log in first"}
//			}
//			return next(c, m)
//		}
//	})
//
// With several calls the first is the outermost. Use panics if around is nil,
// and after ev.Handler was called. It is not safe for concurrent use; the
// function that around returns is called for several connections at a time.
func (ev *Events) Use(around func(next EventFunc) EventFunc) {
	if ev.sealed.Load() {
		panic("mojo: Events.Use was called after its Handler was made")
	}
	if around == nil {
		panic("mojo: the function for Events.Use is nil")
	}
	ev.around = append(ev.around, around)
}

// dispatch calls the function of an event.
func (ev *Events) dispatch(c *Conn, m *Message) error {
	if fn, ok := ev.routes[m.Event()]; ok {
		return fn(c, m)
	}
	if ev.Fallback != nil {
		ev.Fallback(c, m)
	}
	return nil
}

// eventsHandler is the SocketHandler of an Events.
type eventsHandler struct {
	ev     *Events
	handle EventFunc
}

func (h eventsHandler) OnConnect(c *Conn) error {
	if h.ev.Connect == nil {
		return nil
	}
	return h.ev.Connect(c)
}

func (h eventsHandler) OnMessage(c *Conn, m *Message) {
	if err := h.handle(c, m); err != nil {
		answerError(c, m, err)
	}
}

func (h eventsHandler) OnDisconnect(c *Conn, reason Reason) {
	if h.ev.Disconnect != nil {
		h.ev.Disconnect(c, reason)
	}
}

func (h eventsHandler) OnIdentity(c *Conn, old, now Identity) error {
	if h.ev.Identity == nil {
		return nil
	}
	return h.ev.Identity(c, old, now)
}

func (h eventsHandler) OnPresence(ch *Channel, p Presence) {
	if h.ev.Presence != nil {
		h.ev.Presence(ch, p)
	}
}

func (h eventsHandler) OnEmit(c *Conn, event string, args []any) {
	if h.ev.Emit != nil {
		h.ev.Emit(c, event, args)
	}
}

// On makes fn handle the events of this name, which have one argument. The
// argument is decoded into In, as Message.Decode does; without an argument fn
// gets the zero value. fn is not called for a message whose argument does not
// decode, nor for one with more arguments: see On2, On3 and Events.Raw.
//
// If the client waits for an answer, it gets an empty one when fn returns nil.
// Any error is answered by {"error": {"message": ..., "data": ...}}: with the
// content of a ClientError, with "invalid arguments" if fn was not called, and
// with "internal error" for any other error, which is logged. An argument that
// does not decode is logged at level Debug, and too many arguments at level
// Warn, once for each event.
//
// On panics if the event has a function already, if its name is reserved, and
// after ev.Handler was called. It is not safe for concurrent use.
func On[In any](ev *Events, event string, fn func(c *Conn, in In) error) {
	var tooMany sync.Once
	ev.add(event, func(c *Conn, m *Message) error {
		var in In
		if err := decodeArgs(c, m, &tooMany, &in); err != nil {
			return err
		}
		return done(c, m, fn(c, in))
	})
}

// On2 is On for events with two arguments. A missing argument is the zero
// value.
func On2[A1, A2 any](ev *Events, event string, fn func(c *Conn, a1 A1, a2 A2) error) {
	var tooMany sync.Once
	ev.add(event, func(c *Conn, m *Message) error {
		var a1 A1
		var a2 A2
		if err := decodeArgs(c, m, &tooMany, &a1, &a2); err != nil {
			return err
		}
		return done(c, m, fn(c, a1, a2))
	})
}

// On3 is On for events with three arguments. A missing argument is the zero
// value.
func On3[A1, A2, A3 any](ev *Events, event string, fn func(c *Conn, a1 A1, a2 A2, a3 A3) error) {
	var tooMany sync.Once
	ev.add(event, func(c *Conn, m *Message) error {
		var a1 A1
		var a2 A2
		var a3 A3
		if err := decodeArgs(c, m, &tooMany, &a1, &a2, &a3); err != nil {
			return err
		}
		return done(c, m, fn(c, a1, a2, a3))
	})
}

// OnCall is On for functions with a result, which is the answer that the client
// gets if it waits for one.
func OnCall[In, Out any](ev *Events, event string, fn func(c *Conn, in In) (Out, error)) {
	var tooMany sync.Once
	ev.add(event, func(c *Conn, m *Message) error {
		var in In
		if err := decodeArgs(c, m, &tooMany, &in); err != nil {
			return err
		}
		out, err := fn(c, in)
		return done(c, m, err, out)
	})
}

// Raw makes fn handle the events of this name with any number of arguments. fn
// decodes the Message itself and answers it by Message.Ack, at once or later.
// If fn returns an error and has not answered, the error is the answer, as with
// On. Raw panics as On does.
func (ev *Events) Raw(event string, fn func(c *Conn, m *Message) error) { ev.add(event, fn) }

func (ev *Events) add(event string, fn EventFunc) {
	if ev.sealed.Load() {
		panic(fmt.Sprintf("mojo: event %q added to an Events after its Handler was made", event))
	}
	if parser.Reserved(event) {
		panic(fmt.Sprintf("mojo: event name %q is reserved", event))
	}
	if _, taken := ev.routes[event]; taken {
		panic(fmt.Sprintf("mojo: event %q has a function already", event))
	}
	if ev.routes == nil {
		ev.routes = make(map[string]EventFunc)
	}
	ev.routes[event] = fn
}

// errArguments is for a message whose function was not called.
var errArguments error = ClientError{Message: "invalid arguments"}

// decodeArgs decodes the arguments of m, each into a pointer; missing ones stay
// as they are. If there are more arguments, or one does not decode, it returns
// errArguments.
func decodeArgs(c *Conn, m *Message, tooMany *sync.Once, dst ...any) error {
	if m.Len() > len(dst) {
		takes := len(dst)
		tooMany.Do(func() { c.logTooManyArgs(m, takes) })
		return errArguments
	}
	for i := range m.Len() {
		if err := m.args.Decode(i, dst[i]); err != nil {
			c.channel.server.opts.Logger.Debug("mojo: a message does not decode", "namespace", c.channel.name,
				"event", m.Event(), "error", m.decodeError(i, dst[i], err))
			return errArguments
		}
	}
	return nil
}

func (c *Conn) logTooManyArgs(m *Message, takes int) {
	c.channel.server.opts.Logger.Warn("mojo: a message has more arguments than its function takes", "namespace", c.channel.name,
		"event", m.Event(), "arguments", m.Len(), "takes", takes, "help", "use On2, On3 or Events.Raw, or send one object")
}

// done answers m with the results of its function, unless err is not nil.
func done(c *Conn, m *Message, err error, results ...any) error {
	if err == nil {
		sendAnswer(c, m, results...)
	}
	return err
}

// answerError answers a message with the part of err that the client may get.
func answerError(c *Conn, m *Message, err error) {
	shown, isClient := clientError(err)
	if !isClient {
		c.logHandlerError("OnMessage", m.Event(), err)
	}
	sendAnswer(c, m, errorAnswer{errorBody(shown)})
}

// sendAnswer acknowledges m. If the results cannot be encoded, the client gets
// an error instead, so that it does not wait for an answer.
func sendAnswer(c *Conn, m *Message, results ...any) {
	err := m.Ack(results...)
	if err == nil || errors.Is(err, ErrNotConnected) || errors.Is(err, ErrAlreadyAcked) {
		return
	}
	ch := c.channel
	ch.server.opts.Logger.Error("mojo: cannot send an answer", "namespace", ch.name, "event", m.Event(), "error", err)
	shown, _ := clientError(err)
	if refused, ok := results[0].(errorAnswer); ok { // the data of a ClientError cannot be encoded
		shown.Message = refused.Error.Message
	}
	_ = m.Ack(errorAnswer{errorBody{Message: shown.Message}}) // fails if the client has gone
}

type errorAnswer struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}
