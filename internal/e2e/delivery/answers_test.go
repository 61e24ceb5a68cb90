package delivery

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// asker is what has EmitWithAck for several connections.
type asker interface {
	EmitWithAck(ctx context.Context, event string, args ...any) (*mojo.Answers, error)
}

// ask sends "question" and requires that it is sent.
func ask(t testing.TB, ctx context.Context, a asker, args ...any) *mojo.Answers {
	t.Helper()
	answers, err := a.EmitWithAck(ctx, "question", args...)
	require.NoError(t, err)
	return answers
}

// Each way to address connections asks those, and yields the answer of each with
// its id, its identity and all arguments.
func TestAnswers(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		w := e2e.NewVisitors(t, n, transport)
		for name, test := range map[string]struct {
			asker asker
			asked []string
		}{
			"channel":   {w.Chat, []string{"tab1", "tab2", "phone", "bob", "guest", "anonymous"}},
			"room":      {w.Chat.To("first"), []string{"tab1", "tab2"}},
			"sessions":  {w.Chat.CurrentSessions(), []string{"tab1", "tab2", "phone", "bob", "guest"}},
			"users":     {w.Srv.LoggedInSessions(), []string{"tab1", "tab1/news", "tab2", "phone", "bob", "bob/news"}},
			"one user":  {w.Srv.LoggedInSessions().Get("bob"), []string{"bob", "bob/news"}},
			"others":    {w.Conn(t, "bob").To("first"), []string{"tab1", "tab2"}},
			"one conn":  {w.Conn(t, "bob").Latest("key"), []string{"bob"}},
			"nobody":    {w.Chat.To("empty"), nil},
			"zero":      {mojo.Broadcast{}, nil},
			"not known": {new(mojo.Channel), nil},
		} {
			answers := ask(t, t.Context(), test.asker, name, []byte("in"))
			for i, visitor := range test.asked {
				w.Sockets[visitor].Expect("question", name, []byte("in")).Reply(visitor, []byte("out"), map[string]any{"i": i})
			}
			var got []string
			for a := range answers.All() {
				var visitor string
				var out mojo.Binary
				var object map[string]int
				require.NoError(t, a.Decode(&visitor, &out, &object))
				require.Equal(t, 3, a.Len())
				require.Equal(t, "out", string(out))
				require.Equal(t, test.asked[object["i"]], visitor)
				require.Equal(t, w.Sockets[visitor].SID(), a.ConnID)
				if strings.HasPrefix(visitor, "bob") {
					require.Equal(t, "s3", a.Identity.SessionID)
					require.Equal(t, "bob", a.Identity.UserID)
				}
				require.Empty(t, a.Node)
				got = append(got, visitor)
			}
			require.ElementsMatch(t, test.asked, got, name)
			require.Empty(t, answers.Missing())
			require.NoError(t, answers.Err())
			require.Equal(t, len(test.asked), answers.Asked())
			require.Empty(t, slices.Collect(answers.All()), "each answer comes once")
		}
	})
}

// The zero Answers has none.
func TestZeroAnswers(t *testing.T) {
	var answers mojo.Answers
	require.Empty(t, slices.Collect(answers.All()))
	require.Empty(t, answers.Missing())
	require.Zero(t, answers.Asked())
	require.NoError(t, answers.Err())
}

// Answers come one by one, also when the handler of another one is slow. A
// connection that ends counts as an answer at once, and those that are silent
// are missing when the context has ended.
func TestAnswersAsTheyCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := e2e.NewVisitors(t, siotest.Memory, "websocket")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		answers := ask(t, ctx, w.Chat.LoggedInSessions())
		next, stop := iter.Pull(answers.All())
		defer stop()

		w.Sockets["bob"].Expect("question").Reply()
		a, _ := next()
		require.NoError(t, a.Err)
		require.Zero(t, a.Len())
		require.Equal(t, w.Sockets["bob"].SID(), a.ConnID)

		w.Sockets["tab1"].Disconnect()
		a, _ = next()
		require.ErrorIs(t, a.Err, mojo.ErrNotConnected)
		require.EqualError(t, a.Decode(new(int)), "mojo: not connected")
		require.Equal(t, w.Sockets["tab1"].SID(), a.ConnID)
		require.Equal(t, "ann", a.Identity.UserID)

		w.Clients["phone"].Close()
		a, _ = next()
		require.ErrorIs(t, a.Err, mojo.ErrNotConnected)
		require.Zero(t, time.Since(began))
		require.NoError(t, answers.Err())

		_, more := next()
		require.False(t, more)
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, answers.Err(), context.DeadlineExceeded)
		require.Equal(t, 4, answers.Asked())
		missing := answers.Missing()
		require.Len(t, missing, 1)
		require.Equal(t, w.Sockets["tab2"].SID(), missing[0].ConnID)
		require.ErrorIs(t, missing[0].Err, mojo.ErrNoAnswer)

		w.Sockets["tab2"].Expect("question").Reply("late")
		w.Clients["tab2"].Barrier()
		require.Len(t, answers.Missing(), 1)
		require.Empty(t, slices.Collect(answers.All()))
	})
}

// Without a deadline the answers are waited for during Timeouts.AckTimeout.
func TestAnswersWithoutADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := e2e.NewVisitors(t, siotest.Memory, "websocket")
		began := time.Now()
		answers := ask(t, t.Context(), w.Chat)

		require.Empty(t, slices.Collect(answers.All()))

		require.Equal(t, time.Minute, time.Since(began))
		require.ErrorIs(t, answers.Err(), context.DeadlineExceeded)
		require.Len(t, answers.Missing(), 6)
	})
}

// EmitWithAck refuses what Emit refuses, and a context that has ended. Nothing is
// sent then.
func TestQuestionsThatAreRefused(t *testing.T) {
	w := e2e.NewVisitors(t, siotest.Memory, "websocket")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		asker asker
		ctx   context.Context
		event string
		arg   any
		want  error
	}{
		"reserved":  {w.Chat, t.Context(), "connect", 1, mojo.ErrReservedEvent},
		"too large": {w.Chat, t.Context(), "event", strings.Repeat("x", 17<<20), mojo.ErrTooLarge},
		"context":   {w.Chat, ended, "event", 1, context.Canceled},
	} {
		_, err := test.asker.EmitWithAck(test.ctx, test.event, test.arg)
		require.ErrorIs(t, err, test.want, name)
	}
	_, err := w.Chat.EmitWithAck(t.Context(), "event", func() {})
	require.ErrorContains(t, err, "mojo: argument 1 (func())")
	_, err = w.Srv.LoggedInSessions().To("room").EmitWithAck(t.Context(), "event")
	require.EqualError(t, err, "mojo: rooms belong to a Channel; want one for To and Except, not the whole Server")
	bob := w.Conn(t, "bob")
	w.Sockets["bob"].ExpectNothing()
	w.Sockets["bob"].Disconnect()
	w.Clients["bob"].Barrier()
	_, err = bob.Volatile().EmitWithAck(t.Context(), "event")
	require.ErrorIs(t, err, mojo.ErrNotConnected)
	require.NoError(t, w.Srv.Close())
	_, err = w.Chat.EmitWithAck(t.Context(), "event")
	require.ErrorIs(t, err, mojo.ErrServerClosed)
}

// A question for any number of connections is encoded once, and observers see it.
func TestQuestionsAreEncodedOnce(t *testing.T) {
	w := e2e.NewVisitors(t, siotest.Memory, "websocket")
	encoded := 0
	answers := ask(t, t.Context(), w.Srv.LoggedInSessions(), countedJSON{&encoded})
	for _, name := range []string{"tab1", "tab1/news", "tab2", "phone", "bob", "bob/news"} {
		w.Sockets[name].Expect("question", "counted").Reply(name)
	}
	require.Len(t, slices.Collect(answers.All()), 6)
	require.Equal(t, 1, encoded)
}

// A volatile question is not sent to a client that is behind. It counts as an
// answer at once.
func TestVolatileQuestions(t *testing.T) {
	w := e2e.NewVisitors(t, siotest.Memory, "websocket")
	w.Clients["bob"].Engine.Pause()
	for w.Srv.Stats().Dropped == 0 {
		require.NoError(t, w.Conn(t, "bob").Emit("large", strings.Repeat("x", 10_000)))
		require.NoError(t, w.Conn(t, "bob").Volatile().Emit("volatile"))
	}

	answers := ask(t, t.Context(), w.Chat.LoggedInSessions().Get("bob").Volatile())

	all := slices.Collect(answers.All())
	require.Len(t, all, 1)
	require.ErrorIs(t, all[0].Err, mojo.ErrSkipped)
	require.EqualError(t, all[0].Err, "mojo: skipped, because the client is behind")
	require.Empty(t, answers.Missing())
}

// The questions that a connection has not answered count for
// Limits.MaxPendingAcks, those of broadcasts and those of Conn.EmitWithAck alike.
func TestPendingAcksOfBroadcasts(t *testing.T) {
	h := e2e.NewApp()
	srv := e2e.NewServer(t, mojo.Options{Limits: mojo.Limits{MaxPendingAcks: 2}})
	chat := e2e.Register(t, srv, "Chat", h)
	socket := e2e.Dial(t, siotest.Serve(t, siotest.Memory, srv), "websocket").Connect(e2e.ChatNamespace, nil)
	conn := e2e.Await(t, h.Accepted)
	first := ask(t, t.Context(), chat)
	second := e2e.StartCall(t.Context(), conn, "second")
	question := socket.Expect("question")
	socket.Expect("second").Reply()
	require.NoError(t, e2e.Await(t, second).Err)
	third := ask(t, t.Context(), chat, 3)

	refused := slices.Collect(ask(t, t.Context(), chat, "refused").All())

	require.Len(t, refused, 1)
	require.ErrorIs(t, refused[0].Err, mojo.ErrTooManyAcks)
	_, err := conn.EmitWithAck(t.Context(), "refused")
	require.ErrorIs(t, err, mojo.ErrTooManyAcks)
	question.Reply(1)
	require.Len(t, slices.Collect(first.All()), 1)
	socket.Expect("question", 3).Reply(3)
	require.Len(t, slices.Collect(third.All()), 1)
	fourth := ask(t, t.Context(), chat, 4)
	socket.Expect("question", 4).Reply(4)
	require.Len(t, slices.Collect(fourth.All()), 1)
}
