package mojo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// asked is the result of an EmitWithAck.
type asked struct {
	m   *Message
	err error
}

func goAsk(ctx context.Context, c *Conn, event string, args ...any) <-chan asked {
	result := make(chan asked, 1)
	go func() {
		m, err := c.EmitWithAck(ctx, event, args...)
		result <- asked{m, err}
	}()
	return result
}

// TestEmitWithAck: the answer, with binary in it, is a Message.
func TestEmitWithAck(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		_, socket := chatOn(t, n, transport, h)
		result := goAsk(t.Context(), await(t, h.accepted), "question", 1, []byte("in"))
		socket.Expect("question", 1, []byte("in")).Reply("answer", []byte("out"), map[string]any{"deep": []any{[]byte("er")}})

		got := await(t, result)
		require.NoError(t, got.err)
		require.Equal(t, 3, got.m.Len())
		require.Equal(t, "", got.m.Event())
		require.False(t, got.m.WantsAck())
		require.NoError(t, got.m.Ack("ignored"))
		var text string
		var b Binary
		var deep struct{ Deep []Binary }
		require.NoError(t, got.m.Decode(&text, &b, &deep))
		require.Equal(t, "answer", text)
		require.Equal(t, Binary("out"), b)
		require.Equal(t, []Binary{Binary("er")}, deep.Deep)
		require.EqualError(t, got.m.Decode(&text, &b, &deep, &text), "mojo: the answer has 3 arguments; want at least 4")
	})
}

// TestCall decodes the answer.
func TestCall(t *testing.T) {
	type sum struct{ A, B int }
	h := newApp()
	h.message = func(c *Conn, m *Message) {
		got, err := Call[sum](t.Context(), c, "question")
		_ = m.Ack(got, fmt.Sprint(err))
	}
	_, socket := chatOn(t, siotest.Memory, "websocket", h)
	for _, test := range []struct {
		reply []any
		want  string
	}{
		{[]any{sum{1, 2}}, `[{"A":1,"B":2},"<nil>"]`},
		{nil, `[{"A":0,"B":0},"<nil>"]`},
		{[]any{"text"}, `[{"A":0,"B":0},"mojo: the answer, argument 1 into *mojo.sum: json: cannot unmarshal string into Go value of type mojo.sum"]`},
	} {
		answer := socket.Ask("call me")
		socket.Expect("question").Reply(test.reply...) // while the handler waits: answers pass it

		require.JSONEq(t, test.want, answer.Wait().JSON())
	}
}

// TestAckEndsByContext, and what the client answers later is ignored.
func TestAckEndsByContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newApp()
		_, socket := chatOn(t, siotest.Memory, "websocket", h)
		conn := await(t, h.accepted)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		late := goAsk(ctx, conn, "first")
		question := socket.Expect("first")
		start := time.Now()
		require.ErrorIs(t, await(t, late).err, context.DeadlineExceeded)
		require.LessOrEqual(t, time.Since(start), time.Second)

		inTime := goAsk(t.Context(), conn, "second")
		second := socket.Expect("second")
		question.Reply("late")
		second.Reply("in time")
		second.Reply("twice")

		got := await(t, inTime)
		var text string
		require.NoError(t, got.m.Decode(&text))
		require.Equal(t, "in time", text)
		socket.ExpectNothing()

		done, cancelled := context.WithCancel(t.Context())
		cancelled()
		_, err := conn.EmitWithAck(done, "never")
		require.ErrorIs(t, err, context.Canceled)
		socket.ExpectNothing()
	})
}

// TestUnknownAcks are ignored.
func TestUnknownAcks(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, _ := chatServer(t, newApp())
		client := dial(t, siotest.Serve(t, n, srv), transport)
		socket := client.Connect(chatNamespace, nil)
		for _, id := range []string{"0", "1", "7", "9007199254740991"} {
			client.Engine.Send("3" + chatNamespace + "," + id + `["x"]`)
		}
		socket.ExpectNothing()
	})
}

// TestAckOfTheSocketBefore: an app's answer that comes when its page has connected again is not taken for one to the
// question that the new connection asks.
func TestAckOfTheSocketBefore(t *testing.T) {
	h := newApp()
	srv, _ := chatServer(t, h)
	client := dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	old := client.Connect(chatNamespace, nil)
	first := goAsk(t.Context(), await(t, h.accepted), "first")
	question := old.Expect("first")
	socket := client.Connect(chatNamespace, nil)
	require.ErrorIs(t, await(t, first).err, ErrNotConnected)
	second := goAsk(t.Context(), await(t, h.accepted), "second")
	answer := socket.Expect("second")

	question.Reply("to the first")
	client.Barrier()
	answer.Reply("to the second")

	var text string
	require.NoError(t, await(t, second).m.Decode(&text))
	require.Equal(t, "to the second", text)
}

// TestEmitWithAckOnEndedConns: at once when it has ended, and when it ends meanwhile, however that comes about.
func TestEmitWithAckOnEndedConns(t *testing.T) {
	for name, act := range map[string]func(c *Conn, s *siotest.Socket, client *siotest.Client){
		"client DISCONNECT": func(_ *Conn, s *siotest.Socket, _ *siotest.Client) { s.Disconnect() },
		"Conn.Disconnect":   func(c *Conn, _ *siotest.Socket, _ *siotest.Client) { _ = c.Disconnect() },
		"transport close":   func(_ *Conn, _ *siotest.Socket, client *siotest.Client) { client.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			h := newApp()
			srv, _ := chatServer(t, h)
			client := dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
			socket := client.Connect(chatNamespace, nil)
			conn := await(t, h.accepted)
			result := goAsk(t.Context(), conn, "question")
			socket.Expect("question")

			act(conn, socket, client)

			got := await(t, result)
			require.ErrorIs(t, got.err, ErrNotConnected)
			require.EqualError(t, got.err, "mojo: not connected")
			_, err := conn.EmitWithAck(t.Context(), "question")
			require.ErrorIs(t, err, ErrNotConnected)
		})
	}
}

// TestConcurrentCalls, answered in another order, over the same connection.
func TestConcurrentCalls(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		const calls = 50
		h := newApp()
		_, socket := chatOn(t, n, transport, h)
		conn := await(t, h.accepted)
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() {
				got, err := Call[int](t.Context(), conn, "double", i)
				if err != nil || got != 2*i {
					t.Error(i, got, err)
				}
			})
		}
		questions := make([]siotest.Event, calls)
		for i := range questions {
			questions[i] = socket.Next()
		}
		for i := len(questions) - 1; i >= 0; i-- {
			var number int
			questions[i].Arg(0, &number)
			questions[i].Reply(2 * number)
		}
		wg.Wait()
	})
}

// TestAck: once, with binary; a second time it is an error, and without being wanted it does nothing.
func TestAck(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		errs := make(chan error, 9)
		h.message = func(_ *Conn, m *Message) {
			if !m.WantsAck() {
				errs <- m.Ack(func() {})
				return
			}
			errs <- m.Ack(func() {}) // cannot be encoded, so it does not count
			errs <- m.Ack("first", []byte("binary"))
			errs <- m.Ack("second")
		}
		_, socket := chatOn(t, n, transport, h)

		socket.Emit("no ack")
		require.NoError(t, await(t, errs))
		answer := socket.Call("ack")

		require.Equal(t, "first", answer.Text(0))
		require.Equal(t, []byte("binary"), answer.Bytes(1))
		require.Error(t, await(t, errs))
		require.NoError(t, await(t, errs))
		err := await(t, errs)
		require.ErrorIs(t, err, ErrAlreadyAcked)
		require.EqualError(t, err, "mojo: already acknowledged")
		socket.ExpectNothing()
	})
}

// TestAckLater: from any goroutine, and when the connection has ended it is an error.
func TestAckLater(t *testing.T) {
	h := newApp()
	messages := make(chan *Message, 9)
	h.message = func(_ *Conn, m *Message) { messages <- m }
	_, socket := chatOn(t, siotest.Memory, "websocket", h)
	first, second := socket.Ask("first"), socket.Ask("second")
	m1, m2 := await(t, messages), await(t, messages)
	require.NoError(t, m2.Ack(2))
	require.NoError(t, m1.Ack(1))
	require.Equal(t, "[1][2]", first.Wait().JSON()+second.Wait().JSON())

	socket.Ask("third")
	m3 := await(t, messages)
	socket.Disconnect()
	await(t, h.ended)
	require.ErrorIs(t, m3.Ack(3), ErrNotConnected)
}

// TestAckOnce, though many try.
func TestAckOnce(t *testing.T) {
	h := newApp()
	messages := make(chan *Message, 1)
	h.message = func(_ *Conn, m *Message) { messages <- m }
	_, socket := chatOn(t, siotest.Memory, "websocket", h)
	answer := socket.Ask("event")
	m := await(t, messages)
	var wg sync.WaitGroup
	results := make(chan error, 20)
	for i := range cap(results) {
		wg.Go(func() { results <- m.Ack(i) })
	}
	wg.Wait()
	close(results)
	answer.Wait()
	socket.ExpectNothing()
	acked := 0
	for err := range results {
		if err == nil {
			acked++
		} else {
			require.True(t, errors.Is(err, ErrAlreadyAcked))
		}
	}
	require.Equal(t, 1, acked)
}
