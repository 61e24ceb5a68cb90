package mojo

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestRevokePending: a client whose OnConnect runs gets a connect_error, and one that is on no app is closed; neither
// comes in.
func TestRevokePending(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		inside, goOn := make(chan *Conn), make(chan struct{})
		h := newApp()
		h.connect = func(c *Conn) error {
			inside <- c
			<-goOn
			return c.Join("room")
		}
		srv, ch := chatServer(t, h)
		site := siotest.Serve(t, n, srv)
		bare, client := dial(t, site, transport, inSession("s")), dial(t, site, transport, inSession("s"))
		client.SendConnect(chatNamespace, nil)
		conn := await(t, inside)

		require.NoError(t, srv.CurrentSessions().Get("s").Revoke(t.Context(), Revocation{Code: 5001, Reason: "banned"}))

		_, refusal := client.AwaitConnect(chatNamespace)
		require.NotNil(t, refusal)
		require.Equal(t, "banned", refusal.Message)
		require.JSONEq(t, string(notice(5001, "banned", false)), string(refusal.Data))
		client.Engine.AwaitClosed()
		bare.Engine.AwaitClosed()
		require.ErrorIs(t, conn.Emit("too late"), ErrNotConnected)
		close(goOn)
		shutdown(t, srv)
		require.Empty(t, h.accepted, "Join says that it has ended")
		require.Empty(t, h.ended)
		requireEmpty(t, srv, ch)
	})
}

// TestRevokePendingThatIsAccepted: OnConnect does not notice, so OnDisconnect gets the reason.
func TestRevokePendingThatIsAccepted(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		var srv *Server
		h.connect = func(c *Conn) error { return srv.CurrentSessions().Get(c.SessionID()).Revoke(t.Context(), Revocation{}) }
		srv, ch := chatServer(t, h)
		client := dial(t, siotest.Serve(t, n, srv), transport, inSession("s"))

		_, refusal := client.TryConnect(chatNamespace, nil)

		require.Equal(t, string(ReasonRevoked), refusal.Message)
		require.Equal(t, ending{await(t, h.accepted), ReasonRevoked}, await(t, h.ended))
		client.Engine.AwaitClosed()
		requireEmpty(t, srv, ch)
	})
}

// TestRevokeDuringHandshake, which is refused however far it was.
func TestRevokeDuringHandshake(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		own, srv, site := newOwnSessions(t, n, h, Options{}, "s")
		looked, goOn := make(chan struct{}, 100), make(chan struct{})
		own.look = func() {
			looked <- struct{}{}
			<-goOn
		}
		dialed := make(chan error, 1)
		go func() {
			_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: named("s")})
			dialed <- err
		}()
		await(t, looked)

		require.NoError(t, srv.CurrentSessions().Get("s").Revoke(t.Context(), Revocation{}))

		close(goOn)
		require.ErrorContains(t, await(t, dialed), "403")
		shutdown(t, srv)
	})
}

// TestHandshakesDuringRevoke of a user: whatever the order, no connection is left that counts as hers.
func TestHandshakesDuringRevoke(t *testing.T) {
	srv, ch := chatServer(t, newApp())
	site := siotest.Serve(t, siotest.Memory, srv)
	for i := range rounds(1000) {
		user := fmt.Sprint("u", i)
		header := as(inSession(fmt.Sprint("s", i)), asUser(user))
		done := make(chan struct{})
		go func() {
			defer close(done)
			client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transports[i%2], Header: header})
			if err == nil {
				client.SendConnect(chatNamespace, nil)
			}
		}()
		require.NoError(t, srv.LoggedInSessions().Get(user).Revoke(t.Context(), Revocation{}))
		<-done
		client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: "websocket", Header: header})
		if err == nil {
			client.SendConnect(chatNamespace, nil)
			client.Barrier()
		}
		require.False(t, srv.LoggedInSessions().Has(user))
		require.False(t, ch.LoggedInSessions().Has(user))
	}
}
