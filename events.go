package mojo

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/mojosocket/mojo/internal/parser"
)

// Events is a SocketHandler that routes messages by event name to typed functions,
// which On and OnCall add. The zero value is ready and accepts everybody. Set it up
// before it is registered; after that it does not change, and On and OnCall panic.
// It may be registered with several apps, and embedded in a handler of one's own.
type Events struct {
	// Connect is OnConnect; nil accepts everybody.
	Connect func(c *Conn) error
	// Disconnect is OnDisconnect; nil does nothing.
	Disconnect func(c *Conn, reason Reason)
	// Fallback takes the events that have no function; nil drops them.
	Fallback func(c *Conn, m *Message)
	// Identity is OnIdentity of IdentityObserver; nil accepts every change.
	Identity func(c *Conn, old, now Identity) error
	// Presence is OnPresence of PresenceObserver; nil does nothing.
	Presence func(ch *Channel, p Presence)

	routes map[string]func(*Conn, *Message)
	sealed atomic.Bool
}

func (ev *Events) seal() { ev.sealed.Store(true) }

// OnConnect is part of SocketHandler.
func (ev *Events) OnConnect(c *Conn) error {
	if ev.Connect == nil {
		return nil
	}
	return ev.Connect(c)
}

// OnMessage is part of SocketHandler.
func (ev *Events) OnMessage(c *Conn, m *Message) {
	if route, ok := ev.routes[m.Event()]; ok {
		route(c, m)
		return
	}
	if ev.Fallback != nil {
		ev.Fallback(c, m)
	}
}

// OnDisconnect is part of SocketHandler.
func (ev *Events) OnDisconnect(c *Conn, reason Reason) {
	if ev.Disconnect != nil {
		ev.Disconnect(c, reason)
	}
}

// OnIdentity is part of IdentityObserver.
func (ev *Events) OnIdentity(c *Conn, old, now Identity) error {
	if ev.Identity == nil {
		return nil
	}
	return ev.Identity(c, old, now)
}

// OnPresence is part of PresenceObserver.
func (ev *Events) OnPresence(ch *Channel, p Presence) {
	if ev.Presence != nil {
		ev.Presence(ch, p)
	}
}

// On has fn called with the first argument of each event of this name; without an
// argument it gets the zero value. What does not decode never reaches fn.
//
// If the client waits for an answer it gets an empty one when fn has returned nil,
// and {"error": {"message": ..., "data": ...}} otherwise: that of a ClientError,
// "invalid arguments" for what does not decode, and "internal error", which is
// logged, for any other error.
//
// On panics if the event has a function already, if its name is reserved, and
// after ev was registered. It is not safe for concurrent use.
func On[In any](ev *Events, event string, fn func(c *Conn, in In) error) {
	ev.route(event, func(c *Conn, m *Message) {
		if in, ok := firstArg[In](c, m); ok {
			answer(c, m, fn(c, in))
		}
	})
}

// OnCall is On for functions with a result, which is the answer the client gets if
// it waits for one.
func OnCall[In, Out any](ev *Events, event string, fn func(c *Conn, in In) (Out, error)) {
	ev.route(event, func(c *Conn, m *Message) {
		in, ok := firstArg[In](c, m)
		if !ok {
			return
		}
		out, err := fn(c, in)
		answer(c, m, err, out)
	})
}

func (ev *Events) route(event string, fn func(*Conn, *Message)) {
	if ev.sealed.Load() {
		panic(fmt.Sprintf("mojo: event %q added to an Events that is registered already", event))
	}
	if parser.Reserved(event) {
		panic(fmt.Sprintf("mojo: event name %q is reserved", event))
	}
	if _, taken := ev.routes[event]; taken {
		panic(fmt.Sprintf("mojo: event %q has a function already", event))
	}
	if ev.routes == nil {
		ev.routes = make(map[string]func(*Conn, *Message))
	}
	ev.routes[event] = fn
}

// firstArg decodes the first argument; an absent one is the zero value. If it does
// not decode the client is told so, and firstArg reports false.
func firstArg[T any](c *Conn, m *Message) (T, bool) {
	v, err := decodeFirst[T](m)
	if err != nil {
		ch := c.channel
		ch.server.opts.Logger.Debug("mojo: a message does not decode", "namespace", ch.name, "event", m.Event(), "error", err)
		sendAnswer(c, m, errorAnswer{errorBody{Message: "invalid arguments"}})
	}
	return v, err == nil
}

func decodeFirst[T any](m *Message) (T, error) {
	var v T
	if m.Len() == 0 {
		return v, nil
	}
	if err := m.args.Decode(0, &v); err != nil {
		return v, m.decodeError(0, &v, err)
	}
	return v, nil
}

// answer ends a routed message: with the results or, if err is not nil, with what
// the client may see of that.
func answer(c *Conn, m *Message, err error, results ...any) {
	if err != nil {
		shown, isClient := clientError(err)
		if !isClient {
			c.logHandlerError("OnMessage", m.Event(), err)
		}
		results = []any{errorAnswer{errorBody(shown)}}
	}
	sendAnswer(c, m, results...)
}

// sendAnswer acknowledges m. If that cannot be encoded the client gets an error in
// its place, and does not wait for ever.
func sendAnswer(c *Conn, m *Message, results ...any) {
	err := m.Ack(results...)
	if err == nil || errors.Is(err, ErrNotConnected) {
		return
	}
	ch := c.channel
	ch.server.opts.Logger.Error("mojo: cannot send an answer", "namespace", ch.name, "event", m.Event(), "error", err)
	instead, _ := clientError(err)
	if told, ok := results[0].(errorAnswer); ok { // it is the data of a ClientError that cannot be sent
		instead.Message = told.Error.Message
	}
	_ = m.Ack(errorAnswer{errorBody{Message: instead.Message}}) // an error: the client has gone
}

type errorAnswer struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}
