package e2e

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// InVirtualTime runs a test on each transport in a bubble, where time passes when nothing else happens.
func InVirtualTime(t *testing.T, test func(t *testing.T, transport string)) {
	t.Helper()
	for _, transport := range Transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, transport) })
		})
	}
}

// LoginSite is a site with the apps Chat and News, and pages to log in and out.
func LoginSite(t testing.TB, n siotest.Network, h mojo.SocketHandler) (*mojo.Server, *siotest.Site) {
	t.Helper()
	srv, _ := ChatServer(t, h)
	Register(t, srv, "News", h)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if err := srv.LogIn(w, r, r.FormValue("user")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		Who(srv, w, r)
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := srv.LogOut(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		Who(srv, w, r)
	})
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) { Who(srv, w, r) })
	return srv, siotest.Serve(t, n, srv.EnsureSession(mux))
}

// Who answers who made a request: session and user, separated by a space.
func Who(srv *mojo.Server, w http.ResponseWriter, r *http.Request) {
	id := srv.Identity(r)
	_, _ = fmt.Fprint(w, id.SessionID, " ", id.UserID)
}

// Rounds is how often a test of chance is repeated: n times with MOJO_LONG=1, and fewer otherwise.
func Rounds(n int) int {
	if os.Getenv("MOJO_LONG") == "1" {
		return n
	}
	return n / 50
}

// NewServer is New with a log that is thrown away, unless there is another.
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

func Register(t testing.TB, srv *mojo.Server, name string, h mojo.SocketHandler) *mojo.Channel {
	t.Helper()
	ch, err := srv.Register(name, h)
	require.NoError(t, err)
	return ch
}

// ChatServer is a Server with one app, Chat, that knows people by cookies.
func ChatServer(t testing.TB, h mojo.SocketHandler) (*mojo.Server, *mojo.Channel) {
	t.Helper()
	srv := NewServer(t, mojo.Options{Cookies: NewCookies(t, mojo.CookieOptions{})})
	return srv, Register(t, srv, "Chat", h)
}

const ChatNamespace = "/ChatSocket"

var Transports = []string{"websocket", "polling", "upgrade"}

// Everywhere runs fn on each network with each transport.
func Everywhere(t *testing.T, fn func(t *testing.T, n siotest.Network, transport string)) {
	t.Helper()
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		for _, transport := range Transports {
			t.Run(transport, func(t *testing.T) { fn(t, n, transport) })
		}
	})
}

// ConnectChat serves a Server with the app Chat and connects one client to it.
func ConnectChat(t testing.TB, n siotest.Network, transport string, h mojo.SocketHandler) (*mojo.Channel, *siotest.Socket) {
	t.Helper()
	srv, ch := ChatServer(t, h)
	site := siotest.Serve(t, n, srv)
	return ch, Dial(t, site, transport).Connect(ChatNamespace, nil)
}

// Dial connects as whoever the cookies say.
func Dial(t testing.TB, site *siotest.Site, transport string, cookies ...string) *siotest.Client {
	t.Helper()
	return siotest.Dial(t, site, siotest.Options{Transport: transport, Header: CookieHeader(cookies...)})
}

// Shutdown returns when all handlers have.
func Shutdown(t testing.TB, srv *mojo.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), siotest.Limit)
	defer cancel()
	require.NoError(t, srv.Shutdown(ctx))
}
