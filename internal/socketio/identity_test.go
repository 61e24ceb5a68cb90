package socketio

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub"
	"github.com/mojosocket/mojo/internal/siotest"
)

// A sender compares the identity and queues a message with the lock of the
// socket held. A change does not return before the sender has unlocked it.
func TestChangeWaitsForSenders(t *testing.T) {
	app := newTestApp()
	s, _, site := serve(t, app, "/")
	dial(t, site, "websocket", "s", "u").Connect("/", nil)
	socket := await(t, app.connected)
	done := make(chan error, 1)

	socket.mu.Lock()
	go func() {
		done <- s.Change(t.Context(), command.Rebind{From: command.Identity{Session: "s", User: "u"}, To: command.Identified{Identity: command.Identity{Session: "t"}}})
	}()
	for socket.Identity().User != "" {
		runtime.Gosched()
	}
	for range 1000 {
		runtime.Gosched()
	}
	early := len(done)
	socket.mu.Unlock()

	require.Zero(t, early)
	require.NoError(t, await(t, done))
}

// identityApp is a testApp that also is an IdentityWatcher.
type identityApp struct{ *testApp }

func (a identityApp) Changed(s *Socket, _, to command.Identified) *Refusal {
	defer a.record(s, "identity "+to.User)()
	a.connected <- s
	return nil
}

// If a socket ends while its identity changes, no callback follows Disconnect.
func TestNoCallbackAfterDisconnect(t *testing.T) {
	app := newTestApp()
	s := NewServer(serverOptions())
	t.Cleanup(s.Close)
	require.True(t, s.Mount(s.NewNamespace("/", app, Watchers{Identity: identityApp{app}})))
	site := siotest.Serve(t, siotest.Memory, s)
	dial(t, site, "websocket", "s", "").Connect("/", nil)
	socket := await(t, app.connected)
	was := socket.client().conn.Binding()
	ann := command.Identified{Identity: command.Identity{Session: "s", User: "ann"}}
	require.NoError(t, s.Change(t.Context(), command.Rebind{From: command.Identity{Session: "s"}, To: ann}))
	require.True(t, socket.client().prove(ann))
	await(t, app.connected)

	socket.end(ClientDisconnect)
	socket.identityChanged(was, socket.client().conn.Binding())

	require.NoError(t, s.Shutdown(t.Context()))
	require.Equal(t, []string{"connect ", "identity ann", "disconnect"}, app.calls)
}

// A change that was made in another process ends the connections of a session
// if the new session was revoked meanwhile.
func TestChangeToRevokedSession(t *testing.T) {
	app := newTestApp()
	s, _, site := serve(t, app, "/")
	socket := dial(t, site, "websocket", "s", "u").Connect("/", nil)
	s.Revoke(t.Context(), command.Revoke{Key: command.Key{Kind: command.Session, ID: "s2"}, Invalidate: true}, Revocation{})

	require.NoError(t, s.Change(t.Context(), command.Rebind{
		From: command.Identity{Session: "s"}, To: command.Identified{Identity: command.Identity{Session: "s2", User: "u"}},
		At: command.Clock{Time: 1, Node: "another"},
	}))

	require.Equal(t, Revoked, await(t, app.ended))
	socket.AwaitDisconnected()
	requireNobody(t, s, command.Identity{Session: "s", User: "u"}, command.Identity{Session: "s2", User: "u"})
}

// Revoke finds a socket that is being replaced on its namespace, and the socket
// that replaces it.
func TestRevokeOfAReplacedSocket(t *testing.T) {
	app := newTestApp()
	entered, proceed := make(chan struct{}), make(chan struct{})
	first := true
	app.connect = func(*Socket, []byte) *Refusal {
		if !first {
			entered <- struct{}{}
			<-proceed
		}
		first = false
		return nil
	}
	s, _, site := serve(t, app, "/")
	client := dial(t, site, "websocket", "s", "u")
	old := client.Connect("/", nil)
	replaced := await(t, app.connected)
	client.SendConnect("/", nil)
	require.Equal(t, ClientDisconnect, await(t, app.ended))
	await(t, entered)
	require.True(t, replaced.Ended())

	s.Revoke(t.Context(), command.Revoke{Key: command.Key{Kind: command.User, ID: "u"}}, Revocation{Reason: Revoked})

	_, refusal := client.AwaitConnect("/")
	require.NotNil(t, refusal)
	close(proceed)
	require.Equal(t, Revoked, await(t, app.ended))
	old.AwaitDisconnected()
	requireNobody(t, s, command.Identity{Session: "s", User: "u"})
}

// A socket that began after a change gets no callback for it, although the
// goroutine that completes the change may find the socket.
func TestNoIdentityCallbackForANewSocket(t *testing.T) {
	app := newTestApp()
	s := NewServer(serverOptions())
	t.Cleanup(s.Close)
	require.True(t, s.Mount(s.NewNamespace("/", app, Watchers{Identity: identityApp{app}})))
	client := dial(t, siotest.Serve(t, siotest.Memory, s), "websocket", "s", "")
	client.Connect("/", nil)
	socket := await(t, app.connected)

	socket.identityChanged(&hub.Binding{Identified: command.Identified{Identity: command.Identity{Session: "t"}}}, socket.client().conn.Binding())

	require.NoError(t, s.Shutdown(t.Context()))
	require.Equal(t, []string{"connect ", "disconnect"}, app.calls)
}

// requireNobody requires that the indexes are empty, and have no connection of
// these identities.
func requireNobody(t testing.TB, s *Server, ids ...command.Identity) {
	t.Helper()
	for n := range *s.namespaces.Load() {
		require.Zero(t, s.hub.Len(n))
		require.Empty(t, s.hub.IDs(n, command.Session))
		require.Empty(t, s.hub.IDs(n, command.User))
	}
	require.Zero(t, s.hub.Len(""))
	require.Empty(t, s.hub.IDs("", command.Session))
	require.Empty(t, s.hub.IDs("", command.User))
	for _, id := range ids {
		require.Empty(t, s.hub.Conns(command.Key{Kind: command.Session, ID: id.Session}))
		require.Empty(t, s.hub.Conns(command.Key{Kind: command.User, ID: id.User}))
	}
}
