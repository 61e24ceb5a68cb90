package delivery

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

type say struct {
	Text string `json:"text"`
}

// newEvents returns Events with each kind of function.
func newEvents(seen chan<- string) *mojo.Events {
	ev := &mojo.Events{Fallback: func(_ *mojo.Conn, m *mojo.Message) {
		seen <- "fallback " + m.Event()
		_ = m.Ack("fallback")
	}}
	mojo.On(ev, "say", func(_ *mojo.Conn, in say) error {
		seen <- "say " + in.Text
		return nil
	})
	mojo.OnCall(ev, "length", func(_ *mojo.Conn, in say) (int, error) { return len(in.Text), nil })
	mojo.OnCall(ev, "42", func(_ *mojo.Conn, in any) (any, error) { return in, nil })
	mojo.OnCall(ev, "binary", func(_ *mojo.Conn, in mojo.Binary) (mojo.Binary, error) { return append(in, '!'), nil })
	mojo.OnCall(ev, "refuse", func(*mojo.Conn, any) (int, error) {
		return 1, fmt.Errorf("secret: %w", mojo.ClientError{Message: "no", Data: say{"why"}})
	})
	mojo.OnCall(ev, "refuse badly", func(*mojo.Conn, any) (int, error) { return 1, &mojo.ClientError{Message: "no", Data: func() {}} })
	mojo.OnCall(ev, "fail", func(*mojo.Conn, any) (int, error) { return 1, e2e.ErrSecret })
	mojo.OnCall(ev, "unencodable", func(*mojo.Conn, any) (any, error) { return func() {}, nil })
	mojo.OnCall(ev, "ask back", func(c *mojo.Conn, _ any) (int, error) { return mojo.Call[int](c.Context(), c, "number?") })
	mojo.On(ev, "fail quietly", func(*mojo.Conn, int) error { return e2e.ErrSecret })
	return ev
}

// Each function gets its arguments, and the client gets the documented answer.
func TestEvents(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var log e2e.Log
		seen := make(chan string, 9)
		srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
		e2e.Register(t, srv, "Chat", newEvents(seen))
		client := e2e.Dial(t, siotest.Serve(t, n, srv), transport)
		socket := client.Connect(e2e.ChatNamespace, nil)

		for _, test := range []struct {
			event string
			args  []any
			want  string
		}{
			{"say", []any{say{"hello"}}, `[]`},
			{"say", nil, `[]`},
			{"say", []any{"text"}, `[{"error":{"message":"invalid arguments"}}]`},
			{"length", []any{say{"hello"}, "ignored"}, `[5]`},
			{"length", nil, `[0]`},
			{"length", []any{[]int{1}}, `[{"error":{"message":"invalid arguments"}}]`},
			{"42", []any{"number"}, `["number"]`},
			{"refuse", nil, `[{"error":{"message":"no","data":{"text":"why"}}}]`},
			{"refuse badly", nil, `[{"error":{"message":"no"}}]`},
			{"fail", nil, `[{"error":{"message":"internal error"}}]`},
			{"unencodable", nil, `[{"error":{"message":"internal error"}}]`},
			{"unknown", nil, `["fallback"]`},
		} {
			require.JSONEq(t, test.want, socket.Call(test.event, test.args...).JSON(), "%s %v", test.event, test.args)
		}
		require.Equal(t, []byte("b!"), socket.Call("binary", []byte("b")).Bytes(0))
		require.Equal(t, []string{"say hello", "say ", "fallback unknown"}, []string{<-seen, <-seen, <-seen})

		client.Engine.Send("2" + e2e.ChatNamespace + `,[42]`) // an event whose name is a number, without an ack id
		socket.Emit("fail quietly", 1)
		socket.Emit("fail quietly", "invalid")
		socket.Emit("say", say{"last"})
		require.Equal(t, "say last", e2e.Await(t, seen))
		socket.ExpectNothing()
		require.Empty(t, seen)
		for _, line := range []string{
			`callback=OnMessage namespace=/ChatSocket event=fail error="secret detail"`,
			`callback=OnMessage namespace=/ChatSocket event="fail quietly" error="secret detail"`,
			`level=ERROR msg="mojo: cannot send an answer" namespace=/ChatSocket event=unencodable`,
			`level=DEBUG msg="mojo: a message does not decode" namespace=/ChatSocket event=say`,
		} {
			require.Contains(t, log.String(), line)
		}
	})
}

// If the answer to a Call within a function does not decode, the client gets
// "internal error", as its question was correct.
func TestErrorsOfCallsAreInternal(t *testing.T) {
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", newEvents(nil))
	answer := socket.Ask("ask back")

	socket.Expect("number?").Reply("text")

	require.JSONEq(t, `[{"error":{"message":"internal error"}}]`, answer.Wait().JSON())
}

// The Connect and Disconnect functions of Events run for each app.
func TestEventsLifecycle(t *testing.T) {
	seen := make(chan string, 9)
	ev := &mojo.Events{
		Connect: func(c *mojo.Conn) error {
			if c.Channel().App() == "Closed" {
				return mojo.ClientError{Message: "closed"}
			}
			return nil
		},
		Disconnect: func(c *mojo.Conn, reason mojo.Reason) { seen <- c.Channel().App() + ": " + string(reason) },
	}
	srv := e2e.NewServer(t, mojo.Options{})
	e2e.Register(t, srv, "Open", ev)
	e2e.Register(t, srv, "Closed", ev)
	client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	_, refused := client.TryConnect("/ClosedSocket", nil)
	require.Equal(t, "closed", refused.Message)

	open := client.Connect("/OpenSocket", nil)
	open.Emit("dropped") // there is no Fallback
	open.Disconnect()

	require.Equal(t, "Open: client namespace disconnect", e2e.Await(t, seen))
	require.Empty(t, seen)
}

// A zero Events accepts every connection and drops every event.
func TestZeroEvents(t *testing.T) {
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", new(mojo.Events))
	socket.Emit("x")
	socket.ExpectNothing()
	socket.Disconnect()
}

// On panics for an event name that is reserved or taken, and after Register.
func TestEventsPanic(t *testing.T) {
	add := func(ev *mojo.Events, event string) func() {
		return func() { mojo.On(ev, event, func(*mojo.Conn, int) error { return nil }) }
	}
	addCall := func(ev *mojo.Events, event string) func() {
		return func() { mojo.OnCall(ev, event, func(*mojo.Conn, int) (int, error) { return 0, nil }) }
	}
	ev := new(mojo.Events)
	add(ev, "taken")()

	require.PanicsWithValue(t, `mojo: event "taken" has a function already`, add(ev, "taken"))
	require.PanicsWithValue(t, `mojo: event "taken" has a function already`, addCall(ev, "taken"))
	require.PanicsWithValue(t, `mojo: event name "disconnect" is reserved`, add(ev, "disconnect"))
	require.PanicsWithValue(t, `mojo: event name "connect" is reserved`, addCall(ev, "connect"))

	e2e.Register(t, e2e.NewServer(t, mojo.Options{}), "Chat", ev)
	require.PanicsWithValue(t, `mojo: event "late" added to an Events that is registered already`, add(ev, "late"))

	own := &ownHandler{}
	e2e.Register(t, e2e.NewServer(t, mojo.Options{}), "Chat", own)
	require.PanicsWithValue(t, `mojo: event "late" added to an Events that is registered already`, add(&own.Events, "late"))
}

// ownHandler embeds Events and has an OnConnect of its own.
type ownHandler struct {
	mojo.Events
	greeting string
}

func (h *ownHandler) OnConnect(c *mojo.Conn) error { return c.Emit(h.greeting) }

func TestEventsEmbedded(t *testing.T) {
	h := &ownHandler{greeting: "hello"}
	mojo.OnCall(&h.Events, "twice", func(_ *mojo.Conn, n int) (int, error) { return 2 * n, nil })

	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)

	socket.Expect("hello")
	require.Equal(t, "[42]", socket.Call("twice", 21).JSON())
}

func TestClientErrorIsAnError(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", mojo.ClientError{Message: "text"})
	var target mojo.ClientError
	require.True(t, errors.As(err, &target))
	require.EqualError(t, err, "wrapped: text")
}
