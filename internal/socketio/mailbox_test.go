package socketio

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/fifo"
)

// The calls for a socket are Connect, Event in order and Disconnect, and never
// overlap.
func TestMailboxOrder(t *testing.T) {
	const events = 500
	app := newTestApp()
	_, _, site := serve(t, app, "/a")
	client := dial(t, site, "websocket", "", "")
	client.Connect("/a", map[string]int{"x": 1})
	want := []string{`connect {"x":1}`}
	for i := range events {
		client.Engine.Send(fmt.Sprintf(`2/a,["%d"]`, i))
		want = append(want, fmt.Sprint(i))
	}
	client.Engine.Send("1/a,")
	require.Equal(t, ClientDisconnect, await(t, app.ended))

	require.Equal(t, append(want, "disconnect"), app.calls)
}

// Events before the answer to CONNECT, which no official client sends, are
// handled if the socket is accepted. They are dropped if the client has left
// before that, so that Disconnect is the last call.
func TestEventsBeforeTheAnswer(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		proceed, handled := make(chan struct{}), make(chan string, 1)
		app := newTestApp()
		app.connect = func(s *Socket, _ []byte) *Refusal {
			<-proceed
			return nil
		}
		app.event = func(e *Event) { handled <- e.Name }
		_, _, site := serve(t, app, "/a")
		client := dial(t, site, "websocket", "", "")
		client.SendConnect("/a", nil)
		client.Engine.Send(`2/a,["early"]`)
		if leaves {
			client.Engine.Send("1/a,")
		}
		client.Barrier()
		close(proceed)

		if leaves {
			await(t, app.ended)
			require.Equal(t, []string{"connect ", "disconnect"}, app.calls)
			continue
		}
		require.Equal(t, "early", await(t, handled))
	}
}

// An idle mailbox has no goroutine and no memory for tasks.
func TestMailboxIsIdleWithoutTasks(t *testing.T) {
	app := newTestApp()
	server, _, site := serve(t, app, "/a")
	socket := dial(t, site, "websocket", "", "").Connect("/a", nil)
	s := await(t, app.connected)
	require.Equal(t, "kept", s.Handshake())
	socket.Emit("x")
	socket.Disconnect()
	await(t, app.ended)
	require.NoError(t, server.Shutdown(t.Context()))

	s.mu.Lock()
	defer s.mu.Unlock()
	require.False(t, s.mailbox.running)
	require.Equal(t, fifo.Queue[task]{}, s.mailbox.tasks)
}

// wait returns for all its callers when end was called as often as begin.
func TestActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a activity
		require.NoError(t, a.wait(t.Context()))
		a.begin()
		a.begin()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, a.wait(ctx), context.DeadlineExceeded)
		done := make(chan error, 2)
		for range cap(done) {
			go func() { done <- a.wait(t.Context()) }()
		}
		synctest.Wait()
		a.end()
		synctest.Wait()
		require.Empty(t, done)
		a.end()
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		a.begin()
		a.end()
	})
}
