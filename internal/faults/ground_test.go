package faults

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

const namespace = "/ChatSocket"

var transports = []string{"websocket", "polling", "upgrade"}

// app is a SocketHandler that tells the test what it was told. The functions may be nil.
type app struct {
	connect func(c *mojo.Conn) error
	message func(c *mojo.Conn, m *mojo.Message)

	accepted chan *mojo.Conn
	ended    chan ending
}

type ending struct {
	conn   *mojo.Conn
	reason mojo.Reason
}

func newApp() *app {
	return &app{accepted: make(chan *mojo.Conn, 100_000), ended: make(chan ending, 100_000)}
}

func (a *app) OnConnect(c *mojo.Conn) error {
	if a.connect != nil {
		if err := a.connect(c); err != nil {
			return err
		}
	}
	a.accepted <- c
	return nil
}

// OnMessage acknowledges "echo" with its first argument.
func (a *app) OnMessage(c *mojo.Conn, m *mojo.Message) {
	if a.message != nil {
		a.message(c, m)
	}
	if m.Event() == "echo" {
		var arg any
		_ = m.Decode(&arg)
		_ = m.Ack(arg)
	}
}

func (a *app) OnDisconnect(c *mojo.Conn, reason mojo.Reason) { a.ended <- ending{c, reason} }

var _ mojo.SocketHandler = (*app)(nil)

// newServer is mojo.New with the app Chat and, unless there is another, a log that is thrown away.
func newServer(t testing.TB, opts mojo.Options, h mojo.SocketHandler) (*mojo.Server, *mojo.Channel) {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	srv, err := mojo.New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	ch, err := srv.Register("Chat", h)
	require.NoError(t, err)
	return srv, ch
}

// dial connects by a transport and to the app.
func dial(t testing.TB, site *siotest.Site, o siotest.Options) (*siotest.Client, *siotest.Socket) {
	t.Helper()
	client := siotest.Dial(t, site, o)
	return client, client.Connect(namespace, nil)
}

// newCookies tells people by cookies.
func newCookies(t testing.TB) *mojo.Cookies {
	t.Helper()
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	require.NoError(t, err)
	return cookies
}

// as is the cookies of a session and, unless that is empty, a user.
func as(t testing.TB, cookies *mojo.Cookies, session, user string) string {
	t.Helper()
	w := httptest.NewRecorder()
	require.NoError(t, cookies.SetSession(w, session))
	if user != "" {
		require.NoError(t, cookies.SetLogin(w, user))
	}
	var pairs []string
	for _, c := range w.Result().Cookies() {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

func header(cookie string) http.Header { return http.Header{"Cookie": {cookie}} }

// await takes a value that must come soon.
func await[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(siotest.Limit):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

// waitUntil waits for a state that no event tells of. Unlike require.Eventually it starts no goroutine.
func waitUntil(t testing.TB, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(3 * siotest.Limit); !reached(); <-tick.C {
		if time.Now().After(deadline) {
			require.FailNow(t, "it did not come to that: "+what)
		}
	}
}

// shutdown returns when all handlers have.
func shutdown(t testing.TB, srv *mojo.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), siotest.Limit)
	defer cancel()
	require.NoError(t, srv.Shutdown(ctx))
}

// requireNobody requires that nobody is to be found in any index.
func requireNobody(t testing.TB, srv *mojo.Server, channels ...*mojo.Channel) {
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
	for _, ch := range channels {
		for range ch.Conns() {
			require.Fail(t, "a connection is there")
		}
		for range ch.To("room").Conns() {
			require.Fail(t, "a connection is in a room")
		}
	}
}

// small has the server's sockets hold little, so that a client which stops reading is soon behind.
func small(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ConnContext: smallBuffers}
}

// journal is a log that a test can read.
type journal struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
