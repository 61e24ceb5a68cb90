package delivery

import (
	"errors"
	"fmt"
	"strings"
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

// Each function gets its arguments, and the client gets the documented ack.
func TestEvents(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		var log e2e.Log
		seen := make(chan string, 9)
		srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
		e2e.Register(t, srv, "Chat", newEvents(seen).Handler())
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
			{"length", []any{say{"hello"}, "one more"}, `[{"error":{"message":"invalid arguments"}}]`},
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

// On2 and On3 decode their arguments one by one, and Raw gets the whole
// message.
func TestEventsOfSeveralArguments(t *testing.T) {
	seen := make(chan string, 9)
	ev := new(mojo.Events)
	mojo.On2(ev, "two", func(_ *mojo.Conn, to say, n int) error {
		seen <- fmt.Sprint("two ", to.Text, " ", n)
		return nil
	})
	mojo.On3(ev, "three", func(_ *mojo.Conn, a string, b mojo.Binary, c bool) error {
		seen <- fmt.Sprint("three ", a, " ", string(b), " ", c)
		return mojo.ClientError{Message: "no"}
	})
	later := make(chan *mojo.Message, 1)
	ev.Raw("later", func(_ *mojo.Conn, m *mojo.Message) error {
		later <- m
		return nil
	})
	ev.Raw("answers, then fails", func(_ *mojo.Conn, m *mojo.Message) error {
		return errors.Join(m.Ack("answered"), e2e.ErrSecret)
	})
	ev.Raw("fails", func(_ *mojo.Conn, m *mojo.Message) error {
		seen <- fmt.Sprint("fails ", m.Len())
		return mojo.ClientError{Message: "no", Data: m.Len()}
	})
	var log e2e.Log
	srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
	e2e.Register(t, srv, "Chat", ev.Handler())
	socket := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket").Connect(e2e.ChatNamespace, nil)

	for _, test := range []struct {
		event      string
		args       []any
		seen, want string
	}{
		{"two", []any{say{"hello"}, 7}, "two hello 7", `[]`},
		{"two", []any{say{"hello"}}, "two hello 0", `[]`},
		{"two", nil, "two  0", `[]`},
		{"two", []any{say{"hello"}, "7"}, "", `[{"error":{"message":"invalid arguments"}}]`},
		{"two", []any{say{"hello"}, 7, 8}, "", `[{"error":{"message":"invalid arguments"}}]`},
		{"three", []any{"a", []byte("b"), true}, "three a b true", `[{"error":{"message":"no"}}]`},
		{"three", []any{"a", []byte("b"), true, nil}, "", `[{"error":{"message":"invalid arguments"}}]`},
		{"fails", []any{1, 2, 3, 4}, "fails 4", `[{"error":{"message":"no","data":4}}]`},
		{"answers, then fails", nil, "", `["answered"]`},
	} {
		require.JSONEq(t, test.want, socket.Call(test.event, test.args...).JSON(), "%s %v", test.event, test.args)
		if test.seen != "" {
			require.Equal(t, test.seen, <-seen)
		}
		require.Empty(t, seen)
	}
	answer := socket.Ask("later")
	m := e2e.Await(t, later)
	require.False(t, answer.Arrived())
	require.NoError(t, m.Ack("at last"))
	require.JSONEq(t, `["at last"]`, answer.Wait().JSON())
	require.NotContains(t, log.String(), "cannot send an answer")
}

// A message with more arguments than its function takes is logged at Warn, once
// for each event, and without its content.
func TestTooManyArgumentsAreLoggedOnce(t *testing.T) {
	var log e2e.Log
	ev := new(mojo.Events)
	mojo.On(ev, "one", func(*mojo.Conn, int) error { return nil })
	mojo.OnCall(ev, "call", func(*mojo.Conn, int) (int, error) { return 0, nil })
	mojo.On2(ev, "two", func(*mojo.Conn, int, int) error { return nil })
	srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
	e2e.Register(t, srv, "Chat", ev.Handler())
	socket := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket").Connect(e2e.ChatNamespace, nil)

	for range 3 {
		socket.Call("one", 1, "secret")
		socket.Call("call", 1, 2, 3)
		socket.Call("two", 1, 2)
	}

	const warning = `level=WARN msg="mojo: a message has more arguments than its function takes" namespace=/ChatSocket event=`
	require.Equal(t, 1, strings.Count(log.String(), warning+"one arguments=2 takes=1 help="))
	require.Equal(t, 1, strings.Count(log.String(), warning+"call arguments=3 takes=1 help="))
	require.Equal(t, 2, strings.Count(log.String(), "level=WARN"))
	require.NotContains(t, log.String(), "secret")
}

// Call refuses an ack with several arguments, because it returns only one.
func TestCallRefusesSeveralArguments(t *testing.T) {
	failed := make(chan error, 1)
	ev := new(mojo.Events)
	mojo.On(ev, "ask", func(c *mojo.Conn, _ any) error {
		_, err := mojo.Call[any](c.Context(), c, "which?")
		failed <- err
		return nil
	})
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", ev.Handler())
	socket.Emit("ask")

	socket.Expect("which?").Reply(nil, "value")

	require.EqualError(t, e2e.Await(t, failed), `mojo: the answer to event "which?" has 2 arguments; want one, or use EmitWithAck`)
}

// The observer functions of Events are called: Identity, Presence and Emit.
func TestEventsObserve(t *testing.T) {
	seen := make(chan string, 9)
	ev := &mojo.Events{
		Emit: func(_ *mojo.Conn, event string, args []any) { seen <- fmt.Sprint("emit ", event, args) },
		Identity: func(_ *mojo.Conn, old, now mojo.Identity) error {
			seen <- old.SessionID + " is " + now.SessionID
			return nil
		},
		Presence: func(ch *mojo.Channel, p mojo.Presence) { seen <- ch.App() + " has " + p.ID },
	}
	srv, ch := e2e.ChatServer(t, ev.Handler())
	site := siotest.Serve(t, siotest.Memory, srv)
	socket := e2e.Dial(t, site, "websocket", e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
	require.Equal(t, "Chat has s", e2e.Await(t, seen))

	require.NoError(t, ch.Emit("news", 1))
	socket.Expect("news", 1)
	require.Equal(t, "emit news[1]", e2e.Await(t, seen))

	require.NoError(t, srv.Rebind(t.Context(), "s", mojo.Identity{SessionID: "t"}))
	got := []string{e2e.Await(t, seen), e2e.Await(t, seen)}
	require.ElementsMatch(t, []string{"s is t", "Chat has t"}, got)
}

// If a function of Events returns the error of a Call whose ack does not
// decode, the client gets "internal error": its own event was correct.
func TestErrorsOfCallsAreInternal(t *testing.T) {
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", newEvents(nil).Handler())
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
	e2e.Register(t, srv, "Open", ev.Handler())
	e2e.Register(t, srv, "Closed", ev.Handler())
	client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	_, refused := client.TryConnect("/ClosedSocket", nil)
	require.Equal(t, "closed", refused.Message)

	open := client.Connect("/OpenSocket", nil)
	open.Emit("dropped") // there is no Fallback
	open.Disconnect()

	require.Equal(t, "Open: client namespace disconnect", e2e.Await(t, seen))
	require.Empty(t, seen)
}

// The zero value of Events accepts every connection and drops every event.
func TestZeroEvents(t *testing.T) {
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", new(mojo.Events).Handler())
	socket.Emit("x")
	socket.ExpectNothing()
	socket.Disconnect()
}

// On panics if the event name is reserved or taken, or if Handler was called.
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

	require.NotNil(t, ev.Handler())
	require.PanicsWithValue(t, `mojo: event "late" added to an Events after its Handler was made`, add(ev, "late"))
	require.PanicsWithValue(t, `mojo: event "late" added to an Events after its Handler was made`, func() {
		ev.Raw("late", func(*mojo.Conn, *mojo.Message) error { return nil })
	})
}

func TestClientErrorIsAnError(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", mojo.ClientError{Message: "text"})
	var target mojo.ClientError
	require.True(t, errors.As(err, &target))
	require.EqualError(t, err, "wrapped: text")
}
