package revocation

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Revoke refuses the connect of a client whose OnConnect runs, and closes a
// connection that is on no app. OnDisconnect does not run.
func TestRevokePending(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		inside, goOn := make(chan *mojo.Conn), make(chan struct{})
		h := e2e.NewApp()
		h.Connect = func(c *mojo.Conn) error {
			inside <- c
			<-goOn
			return c.Join("room")
		}
		srv, ch := e2e.ChatServer(t, h)
		site := siotest.Serve(t, n, srv)
		bare, client := e2e.Dial(t, site, transport, e2e.SessionCookie("s")), e2e.Dial(t, site, transport, e2e.SessionCookie("s"))
		client.SendConnect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, inside)

		require.NoError(t, srv.CurrentSessions().Get("s").Revoke(t.Context(), mojo.Revocation{Code: 5001, Reason: "banned"}))

		_, refusal := client.AwaitConnect(e2e.ChatNamespace)
		require.NotNil(t, refusal)
		require.Equal(t, "banned", refusal.Message)
		require.JSONEq(t, string(e2e.RevokedNotice(5001, "banned", false)), string(refusal.Data))
		client.Engine.AwaitClosed()
		bare.Engine.AwaitClosed()
		require.ErrorIs(t, conn.Emit("too late"), mojo.ErrNotConnected)
		close(goOn)
		e2e.Shutdown(t, srv)
		require.Empty(t, h.Accepted, "Join says that it has ended")
		require.Empty(t, h.Ended)
		e2e.RequireEmptyViews(t, srv, ch)
	})
}

// If OnConnect returns nil although its connection was revoked, OnDisconnect
// runs with the reason.
func TestRevokePendingThatIsAccepted(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		var srv *mojo.Server
		h.Connect = func(c *mojo.Conn) error {
			return srv.CurrentSessions().Get(c.SessionID()).Revoke(t.Context(), mojo.Revocation{})
		}
		srv, ch := e2e.ChatServer(t, h)
		client := e2e.Dial(t, siotest.Serve(t, n, srv), transport, e2e.SessionCookie("s"))

		_, refusal := client.TryConnect(e2e.ChatNamespace, nil)

		require.Equal(t, string(mojo.ReasonRevoked), refusal.Message)
		require.Equal(t, e2e.End{Conn: e2e.Await(t, h.Accepted), Reason: mojo.ReasonRevoked}, e2e.Await(t, h.Ended))
		client.Engine.AwaitClosed()
		e2e.RequireEmptyViews(t, srv, ch)
	})
}

// A handshake is refused if its session is revoked while it runs.
func TestRevokeDuringHandshake(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		store, srv, site := e2e.NewSessionStore(t, n, h, mojo.Options{}, "s")
		looked, goOn := make(chan struct{}, 100), make(chan struct{})
		store.AfterLookup = func() {
			looked <- struct{}{}
			<-goOn
		}
		dialed := make(chan error, 1)
		go func() {
			_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: e2e.SessionHeader("s")})
			dialed <- err
		}()
		e2e.Await(t, looked)

		require.NoError(t, srv.CurrentSessions().Get("s").Revoke(t.Context(), mojo.Revocation{}))

		close(goOn)
		require.ErrorContains(t, e2e.Await(t, dialed), "403")
		e2e.Shutdown(t, srv)
	})
}

// After a handshake and a Revoke at the same time, the user has no connection.
func TestHandshakesDuringRevoke(t *testing.T) {
	srv, ch := e2e.ChatServer(t, e2e.NewApp())
	site := siotest.Serve(t, siotest.Memory, srv)
	for i := range e2e.Rounds(1000) {
		user := fmt.Sprint("u", i)
		header := e2e.CookieHeader(e2e.SessionCookie(fmt.Sprint("s", i)), e2e.LoginCookie(user))
		done := make(chan struct{})
		go func() {
			defer close(done)
			client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: e2e.Transports[i%2], Header: header})
			if err == nil {
				client.SendConnect(e2e.ChatNamespace, nil)
			}
		}()
		require.NoError(t, srv.LoggedInSessions().Get(user).Revoke(t.Context(), mojo.Revocation{}))
		<-done
		client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: "websocket", Header: header})
		if err == nil {
			client.SendConnect(e2e.ChatNamespace, nil)
			client.Barrier()
		}
		require.False(t, srv.LoggedInSessions().Has(user))
		require.False(t, ch.LoggedInSessions().Has(user))
	}
}
