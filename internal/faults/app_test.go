package faults

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// app is an e2e.App for many connections. It acknowledges the event echo with
// its argument.
type app struct{ *e2e.App }

// newApp returns an app that accepts every client.
func newApp() app {
	return app{&e2e.App{Accepted: make(chan *mojo.Conn, 100_000), Ended: make(chan e2e.End, 100_000)}}
}

func (a app) OnMessage(c *mojo.Conn, m *mojo.Message) {
	a.App.OnMessage(c, m)
	if m.Event() == "echo" {
		var arg any
		_ = m.Decode(&arg)
		_ = m.Ack(arg)
	}
}

// newServer returns a Server with the app Chat.
func newServer(t testing.TB, opts mojo.Options, h mojo.SocketHandler) (*mojo.Server, *mojo.Channel) {
	t.Helper()
	srv := e2e.NewServer(t, opts)
	return srv, e2e.Register(t, srv, "Chat", h)
}

// dial opens a connection and connects it to the app Chat.
func dial(t testing.TB, site *siotest.Site, o siotest.Options) (*siotest.Client, *siotest.Socket) {
	t.Helper()
	client := siotest.Dial(t, site, o)
	return client, client.Connect(e2e.ChatNamespace, nil)
}

// cookie returns the text of a Cookie header for a session and, if it is not
// empty, a user.
func cookie(session, user string) string {
	text := e2e.SessionCookie(session)
	if user != "" {
		text += "; " + e2e.LoginCookie(user)
	}
	return text
}

// requireNoConnections requires that the statistics, the views and the room
// "room" contain no connection.
func requireNoConnections(t testing.TB, srv *mojo.Server, channels ...*mojo.Channel) {
	t.Helper()
	s := srv.Stats()
	require.Zero(t, s.Connections)
	require.Zero(t, s.WebSockets)
	require.Zero(t, s.Unconnected)
	require.Zero(t, s.Sessions)
	require.Zero(t, s.Users)
	for _, a := range s.Apps {
		require.Equal(t, mojo.AppStats{App: a.App, Namespace: a.Namespace}, a)
	}
	e2e.RequireEmptyViews(t, srv, channels...)
	for _, ch := range channels {
		for range ch.To("room").Conns() {
			require.Fail(t, "a connection is in a room")
		}
	}
}

// smallBufferServer returns a server whose TCP connections have small buffers.
// So the queue of a client that stops reading soon grows.
func smallBufferServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ConnContext: smallBuffers}
}

// smallBuffers is an http.Server.ConnContext.
func smallBuffers(ctx context.Context, c net.Conn) context.Context {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(16 << 10)
	}
	return ctx
}
