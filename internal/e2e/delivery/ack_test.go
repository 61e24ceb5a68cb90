package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// The ack of a client is a Message and may contain binary data.
func TestEmitWithAck(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		_, socket := e2e.ConnectChat(t, n, transport, h)
		result := e2e.StartCall(t.Context(), e2e.Await(t, h.Accepted), "question", 1, []byte("in"))
		socket.Expect("question", 1, []byte("in")).Reply("answer", []byte("out"), map[string]any{"deep": []any{[]byte("er")}})

		got := e2e.Await(t, result)
		require.NoError(t, got.Err)
		require.Equal(t, 3, got.Message.Len())
		require.Equal(t, "", got.Message.Event())
		require.False(t, got.Message.WantsAck())
		require.NoError(t, got.Message.Ack("ignored"))
		var text string
		var b mojo.Binary
		var deep struct{ Deep []mojo.Binary }
		require.NoError(t, got.Message.Decode(&text, &b, &deep))
		require.Equal(t, "answer", text)
		require.Equal(t, mojo.Binary("out"), b)
		require.Equal(t, []mojo.Binary{mojo.Binary("er")}, deep.Deep)
		require.EqualError(t, got.Message.Decode(&text, &b, &deep, &text), "mojo: the answer has 3 arguments; want at least 4")
	})
}

// Call decodes the ack into its type parameter.
func TestCall(t *testing.T) {
	type sum struct{ A, B int }
	h := e2e.NewApp()
	h.Message = func(c *mojo.Conn, m *mojo.Message) {
		got, err := mojo.Call[sum](t.Context(), c, "question")
		_ = m.Ack(got, fmt.Sprint(err))
	}
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)
	for _, test := range []struct {
		reply []any
		want  string
	}{
		{[]any{sum{A: 1, B: 2}}, `[{"A":1,"B":2},"<nil>"]`},
		{nil, `[{"A":0,"B":0},"<nil>"]`},
		{[]any{"text"}, `[{"A":0,"B":0},"mojo: the answer, argument 1 into *delivery.sum: json: cannot unmarshal string into Go value of type delivery.sum"]`},
	} {
		answer := socket.Ask("call me")
		socket.Expect("question").Reply(test.reply...) // the ack arrives although the handler waits

		require.JSONEq(t, test.want, answer.Wait().JSON())
	}
}

// EmitWithAck returns when its context ends. A later ack is ignored.
func TestAckEndsByContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := e2e.NewApp()
		_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)
		conn := e2e.Await(t, h.Accepted)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		late := e2e.StartCall(ctx, conn, "first")
		question := socket.Expect("first")
		start := time.Now()
		require.ErrorIs(t, e2e.Await(t, late).Err, context.DeadlineExceeded)
		require.LessOrEqual(t, time.Since(start), time.Second)

		inTime := e2e.StartCall(t.Context(), conn, "second")
		second := socket.Expect("second")
		question.Reply("late")
		second.Reply("in time")
		second.Reply("twice")

		got := e2e.Await(t, inTime)
		var text string
		require.NoError(t, got.Message.Decode(&text))
		require.Equal(t, "in time", text)
		socket.ExpectNothing()

		done, cancelled := context.WithCancel(t.Context())
		cancelled()
		_, err := conn.EmitWithAck(done, "never")
		require.ErrorIs(t, err, context.Canceled)
		socket.ExpectNothing()
	})
}

// Acks with an id that no event had are ignored.
func TestUnknownAcks(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, _ := e2e.ChatServer(t, e2e.NewApp())
		client := e2e.Dial(t, siotest.Serve(t, n, srv), transport)
		socket := client.Connect(e2e.ChatNamespace, nil)
		for _, id := range []string{"0", "1", "7", "9007199254740991"} {
			client.Engine.Send("3" + e2e.ChatNamespace + "," + id + `["x"]`)
		}
		socket.ExpectNothing()
	})
}

// When a page connects to the namespace again, a late ack of its previous
// socket does not count as an ack of the new one.
func TestAckOfThePreviousSocket(t *testing.T) {
	h := e2e.NewApp()
	srv, _ := e2e.ChatServer(t, h)
	client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
	old := client.Connect(e2e.ChatNamespace, nil)
	first := e2e.StartCall(t.Context(), e2e.Await(t, h.Accepted), "first")
	question := old.Expect("first")
	socket := client.Connect(e2e.ChatNamespace, nil)
	require.ErrorIs(t, e2e.Await(t, first).Err, mojo.ErrNotConnected)
	second := e2e.StartCall(t.Context(), e2e.Await(t, h.Accepted), "second")
	answer := socket.Expect("second")

	question.Reply("to the first")
	client.Barrier()
	answer.Reply("to the second")

	var text string
	require.NoError(t, e2e.Await(t, second).Message.Decode(&text))
	require.Equal(t, "to the second", text)
}

// EmitWithAck fails with ErrNotConnected when the connection ends before the
// ack, and immediately if it has ended before the call.
func TestEmitWithAckOnEndedConns(t *testing.T) {
	for name, act := range map[string]func(c *mojo.Conn, s *siotest.Socket, client *siotest.Client){
		"client DISCONNECT": func(_ *mojo.Conn, s *siotest.Socket, _ *siotest.Client) { s.Disconnect() },
		"Conn.Disconnect":   func(c *mojo.Conn, _ *siotest.Socket, _ *siotest.Client) { _ = c.Disconnect() },
		"transport close":   func(_ *mojo.Conn, _ *siotest.Socket, client *siotest.Client) { client.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			h := e2e.NewApp()
			srv, _ := e2e.ChatServer(t, h)
			client := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket")
			socket := client.Connect(e2e.ChatNamespace, nil)
			conn := e2e.Await(t, h.Accepted)
			result := e2e.StartCall(t.Context(), conn, "question")
			socket.Expect("question")

			act(conn, socket, client)

			got := e2e.Await(t, result)
			require.ErrorIs(t, got.Err, mojo.ErrNotConnected)
			require.EqualError(t, got.Err, "mojo: not connected")
			_, err := conn.EmitWithAck(t.Context(), "question")
			require.ErrorIs(t, err, mojo.ErrNotConnected)
		})
	}
}

// The client may send the acks of concurrent calls in any order.
func TestConcurrentCalls(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		const calls = 50
		h := e2e.NewApp()
		_, socket := e2e.ConnectChat(t, n, transport, h)
		conn := e2e.Await(t, h.Accepted)
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() {
				got, err := mojo.Call[int](t.Context(), conn, "double", i)
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

// The first call of Ack answers the message, also with binary data. A second
// call is an error. Ack of a message without an ack id does nothing.
func TestAck(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		errs := make(chan error, 9)
		h.Message = func(_ *mojo.Conn, m *mojo.Message) {
			if !m.WantsAck() {
				errs <- m.Ack(func() {})
				return
			}
			errs <- m.Ack(func() {}) // cannot be encoded, so it is not the first Ack
			errs <- m.Ack("first", []byte("binary"))
			errs <- m.Ack("second")
		}
		_, socket := e2e.ConnectChat(t, n, transport, h)

		socket.Emit("no ack")
		require.NoError(t, e2e.Await(t, errs))
		answer := socket.Call("ack")

		require.Equal(t, "first", answer.Text(0))
		require.Equal(t, []byte("binary"), answer.Bytes(1))
		require.Error(t, e2e.Await(t, errs))
		require.NoError(t, e2e.Await(t, errs))
		err := e2e.Await(t, errs)
		require.ErrorIs(t, err, mojo.ErrAlreadyAcked)
		require.EqualError(t, err, "mojo: already acknowledged")
		socket.ExpectNothing()
	})
}

// The site may call Ack after the handler has returned. After the end of the
// connection Ack returns an error.
func TestAckLater(t *testing.T) {
	h := e2e.NewApp()
	messages := make(chan *mojo.Message, 9)
	h.Message = func(_ *mojo.Conn, m *mojo.Message) { messages <- m }
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)
	first, second := socket.Ask("first"), socket.Ask("second")
	m1, m2 := e2e.Await(t, messages), e2e.Await(t, messages)
	require.NoError(t, m2.Ack(2))
	require.NoError(t, m1.Ack(1))
	require.Equal(t, "[1][2]", first.Wait().JSON()+second.Wait().JSON())

	socket.Ask("third")
	m3 := e2e.Await(t, messages)
	socket.Disconnect()
	e2e.Await(t, h.Ended)
	require.ErrorIs(t, m3.Ack(3), mojo.ErrNotConnected)
}

// If several goroutines call Ack, exactly one call succeeds.
func TestAckOnce(t *testing.T) {
	h := e2e.NewApp()
	messages := make(chan *mojo.Message, 1)
	h.Message = func(_ *mojo.Conn, m *mojo.Message) { messages <- m }
	_, socket := e2e.ConnectChat(t, siotest.Memory, "websocket", h)
	answer := socket.Ask("event")
	m := e2e.Await(t, messages)
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
			require.True(t, errors.Is(err, mojo.ErrAlreadyAcked))
		}
	}
	require.Equal(t, 1, acked)
}
