package mojo

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

type say struct {
	Text string `json:"text"`
}

// newEvents routes some of everything.
func newEvents(seen chan<- string) *Events {
	ev := &Events{Fallback: func(_ *Conn, m *Message) {
		seen <- "fallback " + m.Event()
		_ = m.Ack("fallback")
	}}
	On(ev, "say", func(_ *Conn, in say) error {
		seen <- "say " + in.Text
		return nil
	})
	OnCall(ev, "length", func(_ *Conn, in say) (int, error) { return len(in.Text), nil })
	OnCall(ev, "42", func(_ *Conn, in any) (any, error) { return in, nil })
	OnCall(ev, "binary", func(_ *Conn, in Binary) (Binary, error) { return append(in, '!'), nil })
	OnCall(ev, "refuse", func(*Conn, any) (int, error) { return 1, fmt.Errorf("secret: %w", ClientError{"no", say{"why"}}) })
	OnCall(ev, "refuse badly", func(*Conn, any) (int, error) { return 1, &ClientError{"no", func() {}} })
	OnCall(ev, "fail", func(*Conn, any) (int, error) { return 1, errTest })
	OnCall(ev, "unencodable", func(*Conn, any) (any, error) { return func() {}, nil })
	OnCall(ev, "ask back", func(c *Conn, _ any) (int, error) { return Call[int](c.Context(), c, "number?") })
	On(ev, "fail quietly", func(*Conn, int) error { return errTest })
	return ev
}

// TestEvents: what functions get and what clients are answered.
func TestEvents(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var log journal
		seen := make(chan string, 9)
		srv := newTestServer(t, Options{Logger: log.logger()})
		register(t, srv, "Chat", newEvents(seen))
		client := dial(t, siotest.Serve(t, n, srv), transport)
		socket := client.Connect(chatNamespace, nil)

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

		client.Engine.Send("2" + chatNamespace + `,[42]`) // a number, and nobody waits
		socket.Emit("fail quietly", 1)
		socket.Emit("fail quietly", "invalid")
		socket.Emit("say", say{"last"})
		require.Equal(t, "say last", await(t, seen))
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

// TestErrorsOfCallsAreInternal: that a client's answer does not decode is not its question's fault.
func TestErrorsOfCallsAreInternal(t *testing.T) {
	_, socket := chatOn(t, siotest.Memory, "websocket", newEvents(nil))
	answer := socket.Ask("ask back")

	socket.Expect("number?").Reply("text")

	require.JSONEq(t, `[{"error":{"message":"internal error"}}]`, answer.Wait().JSON())
}

// TestEventsLifecycle: Connect and Disconnect, for several apps.
func TestEventsLifecycle(t *testing.T) {
	seen := make(chan string, 9)
	ev := &Events{
		Connect: func(c *Conn) error {
			if c.Channel().App() == "Closed" {
				return ClientError{Message: "closed"}
			}
			return nil
		},
		Disconnect: func(c *Conn, reason Reason) { seen <- c.Channel().App() + ": " + string(reason) },
	}
	srv := newTestServer(t, Options{})
	register(t, srv, "Open", ev)
	register(t, srv, "Closed", ev)
	client := dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	_, refused := client.TryConnect("/ClosedSocket", nil)
	require.Equal(t, "closed", refused.Message)

	open := client.Connect("/OpenSocket", nil)
	open.Emit("dropped") // there is no Fallback
	open.Disconnect()

	require.Equal(t, "Open: client namespace disconnect", await(t, seen))
	require.Empty(t, seen)
}

// TestZeroEvents accepts everybody and drops everything.
func TestZeroEvents(t *testing.T) {
	_, socket := chatOn(t, siotest.Memory, "websocket", new(Events))
	socket.Emit("x")
	socket.ExpectNothing()
	socket.Disconnect()
}

func TestEventsPanic(t *testing.T) {
	add := func(ev *Events, event string) func() {
		return func() { On(ev, event, func(*Conn, int) error { return nil }) }
	}
	addCall := func(ev *Events, event string) func() {
		return func() { OnCall(ev, event, func(*Conn, int) (int, error) { return 0, nil }) }
	}
	ev := new(Events)
	add(ev, "taken")()

	require.PanicsWithValue(t, `mojo: event "taken" has a function already`, add(ev, "taken"))
	require.PanicsWithValue(t, `mojo: event "taken" has a function already`, addCall(ev, "taken"))
	require.PanicsWithValue(t, `mojo: event name "disconnect" is reserved`, add(ev, "disconnect"))
	require.PanicsWithValue(t, `mojo: event name "connect" is reserved`, addCall(ev, "connect"))

	register(t, newTestServer(t, Options{}), "Chat", ev)
	require.PanicsWithValue(t, `mojo: event "late" added to an Events that is registered already`, add(ev, "late"))

	own := &ownHandler{}
	register(t, newTestServer(t, Options{}), "Chat", own)
	require.PanicsWithValue(t, `mojo: event "late" added to an Events that is registered already`, add(&own.Events, "late"))
}

// ownHandler embeds Events and adds to it.
type ownHandler struct {
	Events
	greeting string
}

func (h *ownHandler) OnConnect(c *Conn) error { return c.Emit(h.greeting) }

func TestEventsEmbedded(t *testing.T) {
	h := &ownHandler{greeting: "hello"}
	OnCall(&h.Events, "twice", func(_ *Conn, n int) (int, error) { return 2 * n, nil })

	_, socket := chatOn(t, siotest.Memory, "websocket", h)

	socket.Expect("hello")
	require.Equal(t, "[42]", socket.Call("twice", 21).JSON())
}

func TestClientErrorIsAnError(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", ClientError{Message: "text"})
	var target ClientError
	require.True(t, errors.As(err, &target))
	require.EqualError(t, err, "wrapped: text")
}
