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

// TestLaneOrder: connect, every event in order, disconnect, and never two at a
// time.
func TestLaneOrder(t *testing.T) {
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

	require.Equal(t, append(want, "disconnect"), app.told)
}

// TestEventsBeforeTheAnswer, which no official client sends, are handled if the
// socket is accepted, and dropped if the client has left by then: Disconnect is
// still last.
func TestEventsBeforeTheAnswer(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		goOn, told := make(chan struct{}), make(chan string, 1)
		app := newTestApp()
		app.connect = func(s *Socket, _ []byte) *Refusal {
			<-goOn
			return nil
		}
		app.event = func(e *Event) { told <- e.Name }
		_, _, site := serve(t, app, "/a")
		client := dial(t, site, "websocket", "", "")
		client.SendConnect("/a", nil)
		client.Engine.Send(`2/a,["early"]`)
		if leaves {
			client.Engine.Send("1/a,")
		}
		client.Barrier()
		close(goOn)

		if leaves {
			await(t, app.ended)
			require.Equal(t, []string{"connect ", "disconnect"}, app.told)
			continue
		}
		require.Equal(t, "early", await(t, told))
	}
}

// TestLaneIsIdleWithoutWork: an idle socket has no goroutine and no memory for
// tasks.
func TestLaneIsIdleWithoutWork(t *testing.T) {
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

// TestActivity: wait returns when as much has ended as had begun, for everybody
// who waits.
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
