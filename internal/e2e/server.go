package e2e

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// ChatNamespace is the namespace of the app Chat.
const ChatNamespace = "/ChatSocket"

// Transports are the ways to connect: by WebSocket, by polling, and by polling
// with an upgrade to a WebSocket.
var Transports = []string{"websocket", "polling", "upgrade"}

// NewServer is mojo.New. If opts has no Logger, it adds one that discards its
// text. The end of the test closes the Server.
func NewServer(t testing.TB, opts mojo.Options) *mojo.Server {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	srv, err := mojo.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	return srv
}

// Register is Server.Register, which must succeed.
func Register(t testing.TB, srv *mojo.Server, name string, h mojo.SocketHandler) *mojo.Channel {
	t.Helper()
	ch, err := srv.Register(name, h)
	require.NoError(t, err)
	return ch
}

// Handle is Server.Handle, which must succeed.
func Handle(t testing.TB, srv *mojo.Server, namespace string, h mojo.SocketHandler) *mojo.Channel {
	t.Helper()
	ch, err := srv.Handle(namespace, h)
	require.NoError(t, err)
	return ch
}

// Shutdown is Server.Shutdown, which must succeed within the time limit of the
// tests.
func Shutdown(t testing.TB, srv *mojo.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), siotest.Limit)
	defer cancel()
	require.NoError(t, srv.Shutdown(ctx))
}

// ChatServer returns a Server with Cookies and the app Chat.
func ChatServer(t testing.TB, h mojo.SocketHandler) (*mojo.Server, *mojo.Channel) {
	t.Helper()
	srv := NewServer(t, mojo.Options{Cookies: NewCookies(t, mojo.CookieOptions{})})
	return srv, Register(t, srv, "Chat", h)
}

// ConnectChat serves a ChatServer and connects one client to it.
func ConnectChat(t testing.TB, n siotest.Network, transport string, h mojo.SocketHandler) (*mojo.Channel, *siotest.Socket) {
	t.Helper()
	srv, ch := ChatServer(t, h)
	site := siotest.Serve(t, n, srv)
	return ch, Dial(t, site, transport).Connect(ChatNamespace, nil)
}

// Dial opens a connection with these cookies, each name=value, and connects to
// no app.
func Dial(t testing.TB, site *siotest.Site, transport string, cookies ...string) *siotest.Client {
	t.Helper()
	return siotest.Dial(t, site, siotest.Options{Transport: transport, Header: CookieHeader(cookies...)})
}

// Everywhere runs a test on each network with each transport.
func Everywhere(t *testing.T, test func(t *testing.T, n siotest.Network, transport string)) {
	t.Helper()
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		for _, transport := range Transports {
			t.Run(transport, func(t *testing.T) { test(t, n, transport) })
		}
	})
}

// InVirtualTime runs a test with each transport in a bubble of
// testing/synctest, where time advances when all goroutines wait.
func InVirtualTime(t *testing.T, test func(t *testing.T, transport string)) {
	t.Helper()
	for _, transport := range Transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, transport) })
		})
	}
}
