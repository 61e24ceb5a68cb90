package socketio

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/fifo"
)

// After many connections of several identities, with rooms, have ended in
// several ways, all indexes and maps are empty.
func TestEndedConnectionsLeaveNothing(t *testing.T) {
	app := newTestApp()
	app.connect = func(s *Socket, auth []byte) *Refusal {
		_ = s.Join("a", "b", s.Identity().Session)
		if string(auth) == `{"no":1}` {
			return &Refusal{Message: "no"}
		}
		return nil
	}
	server, _, site := serve(t, app, "/a", "/b")
	transports := []string{"websocket", "polling", "upgrade"}
	accepted := 0
	for i := range 60 {
		client := dial(t, site, transports[i%3], fmt.Sprint(i%7%5), fmt.Sprint(i%3))
		client.Connect("/a", nil)
		accepted++
		if i%2 == 0 {
			client.Connect("/b", nil)
			accepted++
		} else {
			client.TryConnect("/b", map[string]int{"no": 1})
		}
		switch i % 4 {
		case 0:
			client.Close()
		case 1:
			client.Engine.Drop()
		case 2:
			client.Engine.Send("9")
		}
	}
	require.NoError(t, server.Shutdown(t.Context()))
	for range accepted {
		await(t, app.ended)
	}
	require.Empty(t, app.ended)

	for i := range 5 {
		requireNobody(t, server, command.Identity{Session: fmt.Sprint(i), User: fmt.Sprint(i % 3)})
	}
	for range accepted {
		s := await(t, app.connected)
		require.Nil(t, s.acks.waiting)
		require.Nil(t, s.held)
		require.Equal(t, fifo.Queue[task]{}, s.mailbox.tasks)
		require.Empty(t, s.client().entries)
	}
	require.Zero(t, server.activity.count)
}

// Another goroutine has begun to end a socket and has not removed it from the
// indexes when Connect returns. The socket is in no index when Disconnect is
// called.
func TestEndDuringConnect(t *testing.T) {
	app := newTestApp()
	app.connect = func(s *Socket, _ []byte) *Refusal {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.state, s.reason = ended, ClientDisconnect // the first half of end
		return nil
	}
	server, _, site := serve(t, app, "/a")
	dial(t, site, "websocket", "s", "u").SendConnect("/a", nil)

	require.Equal(t, ClientDisconnect, await(t, app.ended))

	requireNobody(t, server)
}
