package delivery

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// crowdOf connects a number of clients, and returns their sockets in the order
// in which they have connected.
func crowdOf(t *testing.T, srv *mojo.Server, count int) (clients []*siotest.Client, sockets []*siotest.Socket) {
	t.Helper()
	site := siotest.Serve(t, siotest.Memory, srv)
	for range count {
		client := e2e.Dial(t, site, "websocket")
		clients = append(clients, client)
		sockets = append(sockets, client.Connect(e2e.ChatNamespace, nil))
	}
	return clients, sockets
}

// Of 1,000 clients 980 answer, 10 leave and 10 are silent. The first two kinds
// are known at once, the third when the context ends. Afterwards the Server
// keeps nothing of it.
func TestAThousandAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, chat := e2e.ChatServer(t, e2e.NewApp())
		clients, sockets := crowdOf(t, srv, 1000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		answers := ask(t, ctx, chat)
		go func() {
			for i, socket := range sockets {
				question := socket.Expect("question")
				switch {
				case i%100 == 0:
					clients[i].Close()
				case i%100 != 1:
					question.Reply(i)
				}
			}
		}()

		left := 0
		answered := make(map[int]bool)
		for a := range answers.All() {
			if a.Err != nil {
				require.ErrorIs(t, a.Err, mojo.ErrNotConnected)
				left++
				continue
			}
			var i int
			require.NoError(t, a.Decode(&i))
			require.Equal(t, sockets[i].SID(), a.ConnID)
			answered[i] = true
			if len(answered)+left == 990 {
				require.Zero(t, time.Since(began))
			}
		}

		require.Equal(t, time.Second, time.Since(began))
		require.Len(t, answered, 980)
		require.Equal(t, 10, left)
		require.Len(t, answers.Missing(), 10)
		for _, missing := range answers.Missing() {
			require.True(t, slices.ContainsFunc(sockets, func(s *siotest.Socket) bool { return s.SID() == missing.ConnID }))
		}
	})
}

// Answers that nobody reads, that are read in part, or whose context is cancelled,
// leave no goroutine and no memory.
func TestAnswersThatAreGivenUp(t *testing.T) {
	srv, chat := e2e.ChatServer(t, e2e.NewApp())
	_, sockets := crowdOf(t, srv, 100)
	text := strings.Repeat("x", 1000)
	round := func(n int) {
		ctx, cancel := context.WithCancel(t.Context())
		answers := ask(t, ctx, chat)
		var wg sync.WaitGroup
		if n%3 == 1 {
			wg.Go(func() {
				for range answers.All() {
					break
				}
			})
		}
		for _, socket := range sockets[:50] {
			socket.Expect("question").Reply(text)
		}
		for _, socket := range sockets[50:] {
			socket.Expect("question")
		}
		wg.Wait()
		switch n % 3 {
		case 0: // never read
			cancel()
		case 1: // left early
			require.GreaterOrEqual(t, len(answers.Missing()), 50)
			require.NoError(t, answers.Err())
			require.Empty(t, slices.Collect(answers.All()))
		case 2:
			cancel()
			for range answers.All() {
			}
			require.ErrorIs(t, answers.Err(), context.Canceled)
		}
		cancel()
	}
	goroutines := func() int {
		runtime.Gosched()
		return runtime.NumGoroutine()
	}
	memory := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for n := range 9 {
		round(n)
	}
	before, running := memory(), goroutines()
	const rounds = 60
	for n := range rounds {
		round(n)
	}
	require.Eventually(t, func() bool { return goroutines() <= running+5 }, siotest.Limit, time.Millisecond)
	// One pending ack of each round and client alone would be 500 KB.
	require.Eventually(t, func() bool { return memory()-before < 250_000 }, siotest.Limit, 10*time.Millisecond, "bytes more than before")
}

// Acks with ids that no event had, of events for others, twice, or late, are
// ignored.
func TestForgedAnswers(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		w := e2e.NewVisitors(t, n, transport)
		answers := ask(t, t.Context(), w.Chat.To("first"))
		first, second := w.Sockets["tab1"].Expect("question"), w.Sockets["tab2"].Expect("question")
		require.Equal(t, *first.AckID, *second.AckID)
		require.Less(t, *first.AckID, uint64(1<<31), "clients in Java and C have ids of 32 bits")

		forger := w.Clients["guest"]
		for _, id := range []uint64{*first.AckID, *first.AckID + 1, *first.AckID - 1, 1 << 30, 1<<53 - 1} {
			forger.Engine.Send(fmt.Sprintf("3%s,%d[%q]", e2e.ChatNamespace, id, "forged"))
		}
		w.Clients["tab1"].Engine.Send(fmt.Sprintf("3/NewsSocket,%d[%q]", *first.AckID, "on another app"))
		forger.Barrier()
		first.Reply("tab1")
		first.Reply("again")
		w.Clients["tab1"].Barrier()
		second.Reply("tab2")

		var got []string
		for a := range answers.All() {
			var text string
			require.NoError(t, a.Decode(&text))
			got = append(got, text)
		}
		require.Equal(t, []string{"tab1", "tab2"}, got)
		second.Reply("late")
		w.Sockets["tab2"].ExpectNothing()
	})
}

// An answer above the limits ends its connection, and one that looks like it had
// attachments is an error. The others are waited for.
func TestAnswersAboveTheLimits(t *testing.T) {
	h := e2e.NewApp()
	srv := e2e.NewServer(t, mojo.Options{Limits: mojo.Limits{MaxPayload: 4 << 10, MaxAttachments: 1}})
	chat := e2e.Register(t, srv, "Chat", h)
	clients, sockets := crowdOf(t, srv, 4)
	answers := ask(t, t.Context(), chat)
	var questions []siotest.Event
	for _, socket := range sockets {
		questions = append(questions, socket.Expect("question"))
	}
	pull, stop := iter.Pull(answers.All())
	defer stop()
	next := func() mojo.Answer {
		t.Helper()
		a, ok := pull()
		require.True(t, ok)
		return a
	}

	questions[0].Reply(strings.Repeat("x", 8<<10))
	a := next()
	require.ErrorIs(t, a.Err, mojo.ErrNotConnected)
	require.Equal(t, sockets[0].SID(), a.ConnID)
	questions[1].Reply([]byte("one"), []byte("two"))
	a = next()
	require.ErrorIs(t, a.Err, mojo.ErrNotConnected)
	require.Equal(t, sockets[1].SID(), a.ConnID)
	clients[2].Engine.Send(fmt.Sprintf(`61-%s,%d[{"_placeholder":true,"num":0},{"_placeholder":true,"num":5}]`, e2e.ChatNamespace, *questions[2].AckID))
	clients[2].Engine.SendBinary([]byte("one"))
	a = next()
	require.ErrorContains(t, a.Err, "mojo: the client's answer holds data that reads as a placeholder")
	require.Equal(t, sockets[2].SID(), a.ConnID)
	questions[3].Reply("good")
	require.NoError(t, next().Err)
	require.Empty(t, answers.Missing())
}

// While sockets connect, answer and leave, and questions end in each way, every
// answer is counted once.
func TestAnswersInARace(t *testing.T) {
	h := e2e.NewApp()
	srv, chat := e2e.ChatServer(t, h)
	site := siotest.Serve(t, siotest.Memory, srv)
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 20 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				client := e2e.Dial(t, site, "websocket")
				socket := client.Connect(e2e.ChatNamespace, nil)
				for range 3 + i%5 {
					if e := socket.Next(); e.AckID != nil {
						e.Reply(i)
					}
				}
				client.Close()
			}
		})
	}
	round := func(n int) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n%4+1)*time.Millisecond)
		defer cancel()
		answers, err := chat.EmitWithAck(ctx, "question")
		if err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded) // on a busy machine
			return
		}
		seen := make(map[string]bool)
		for a := range answers.All() {
			require.False(t, seen[a.ConnID])
			seen[a.ConnID] = true
			if n%5 == 0 {
				break
			}
		}
		if n%5 != 0 {
			require.Equal(t, answers.Asked(), len(seen)+len(answers.Missing()))
		}
	}
	for n := range 300 {
		round(n)
	}
	close(stop)
	finished := make(chan struct{})
	go func() {
		clients.Wait()
		close(finished)
	}()
	for { // the clients wait for events
		require.NoError(t, chat.Emit("end"))
		select {
		case <-finished:
			return
		case <-time.After(time.Millisecond):
		}
	}
}
