package lifecycle

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// The functions of Server.Use are called before OnConnect, in their order and
// for every app, and may refuse a client.
func TestUse(t *testing.T) {
	var calls []string
	h := &mojo.Events{Connect: func(c *mojo.Conn) error {
		calls = append(calls, "connect")
		return nil
	}}
	srv := e2e.NewServer(t, mojo.Options{})
	e2e.Register(t, srv, "Chat", h.Handler())
	e2e.Register(t, srv, "Other", h.Handler())
	srv.Use(func(c *mojo.Conn) error {
		calls = append(calls, "first "+c.Channel().App())
		return c.Emit("welcome")
	})
	srv.Use(func(c *mojo.Conn) error {
		calls = append(calls, "second")
		if string(c.Handshake().Auth) == `{"as":"banned"}` {
			return mojo.ClientError{Message: "banned", Data: 7}
		}
		return nil
	})
	site := siotest.Serve(t, siotest.Memory, srv)

	client := e2e.Dial(t, site, "websocket")
	client.Connect(e2e.ChatNamespace, nil).Expect("welcome")
	client.Connect("/OtherSocket", nil).Expect("welcome")
	require.Equal(t, []string{"first Chat", "second", "connect", "first Other", "second", "connect"}, calls)

	calls = nil
	_, refusal := e2e.Dial(t, site, "websocket").TryConnect(e2e.ChatNamespace, map[string]string{"as": "banned"})
	require.Equal(t, "banned", refusal.Message)
	require.JSONEq(t, "7", string(refusal.Data))
	require.Equal(t, []string{"first Chat", "second"}, calls, "OnConnect is not called")
}

// An error that is not for the client, and a panic, are the site's.
func TestUseFails(t *testing.T) {
	log := new(e2e.Log)
	srv := e2e.NewServer(t, mojo.Options{Logger: log.Logger()})
	app := e2e.NewApp()
	e2e.Register(t, srv, "Chat", app)
	srv.Use(func(c *mojo.Conn) error {
		if string(c.Handshake().Auth) == `{"as":"break"}` {
			panic("broken")
		}
		return e2e.ErrSecret
	})
	site := siotest.Serve(t, siotest.Memory, srv)

	_, refusal := e2e.Dial(t, site, "websocket").TryConnect(e2e.ChatNamespace, nil)
	require.Equal(t, "internal error", refusal.Message)
	require.Contains(t, log.String(), "callback=Use")

	broken := e2e.Dial(t, site, "websocket")
	broken.SendConnect(e2e.ChatNamespace, map[string]string{"as": "break"})
	broken.Engine.AwaitClosed()
	require.Contains(t, log.String(), "panic=broken")
	require.Empty(t, app.Accepted)

	require.PanicsWithValue(t, "mojo: the function for Server.Use is nil", func() { srv.Use(nil) })
}
