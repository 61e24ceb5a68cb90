package mojo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// app is a SocketHandler that tells the test what it was told. The functions may be nil.
type app struct {
	connect    func(c *Conn) error
	message    func(c *Conn, m *Message)
	disconnect func(c *Conn, reason Reason)

	accepted chan *Conn // those that connect accepted, before the client knows
	ended    chan ending
}

type ending struct {
	conn   *Conn
	reason Reason
}

func newApp() *app {
	return &app{accepted: make(chan *Conn, 10_000), ended: make(chan ending, 10_000)}
}

func (a *app) OnConnect(c *Conn) error {
	if a.connect != nil {
		if err := a.connect(c); err != nil {
			return err
		}
	}
	a.accepted <- c
	return nil
}

func (a *app) OnMessage(c *Conn, m *Message) {
	if a.message != nil {
		a.message(c, m)
	}
}

func (a *app) OnDisconnect(c *Conn, reason Reason) {
	if a.disconnect != nil {
		a.disconnect(c, reason)
	}
	a.ended <- ending{c, reason}
}

// await takes a value that must come soon.
func await[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-ch:
		require.True(t, ok, "the channel is closed")
		return v
	case <-time.After(siotest.Limit):
		require.Fail(t, "nothing came")
		panic("unreachable")
	}
}

// awaitClosed waits for the end of a channel that carries nothing.
func awaitClosed(t testing.TB, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(siotest.Limit):
		require.Fail(t, "it was not closed")
	}
}

// journal is a log that a test can read.
type journal struct {
	mu   sync.Mutex // guards what follows
	text bytes.Buffer
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

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// newTestServer is New with a log that is thrown away, unless there is another.
func newTestServer(t testing.TB, opts Options) *Server {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	srv, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = srv.Close() })
	return srv
}

func register(t testing.TB, srv *Server, name string, h SocketHandler) *Channel {
	t.Helper()
	ch, err := srv.Register(name, h)
	require.NoError(t, err)
	return ch
}

// chatServer is a Server with one app, Chat, that knows people by cookies.
func chatServer(t testing.TB, h SocketHandler) (*Server, *Channel) {
	t.Helper()
	srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{})})
	return srv, register(t, srv, "Chat", h)
}

const chatNamespace = "/ChatSocket"

var transports = []string{"websocket", "polling", "upgrade"}

// everywhere runs fn on each network with each transport.
func everywhere(t *testing.T, fn func(t *testing.T, n siotest.Network, transport string)) {
	t.Helper()
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		for _, transport := range transports {
			t.Run(transport, func(t *testing.T) { fn(t, n, transport) })
		}
	})
}

// chatOn serves a Server with the app Chat and connects one client to it.
func chatOn(t testing.TB, n siotest.Network, transport string, h SocketHandler) (*Channel, *siotest.Socket) {
	t.Helper()
	srv, ch := chatServer(t, h)
	site := siotest.Serve(t, n, srv)
	return ch, dial(t, site, transport).Connect(chatNamespace, nil)
}

// dial connects as whoever the cookies say.
func dial(t testing.TB, site *siotest.Site, transport string, cookies ...string) *siotest.Client {
	t.Helper()
	return siotest.Dial(t, site, siotest.Options{Transport: transport, Header: as(cookies...)})
}

func as(cookies ...string) http.Header {
	if len(cookies) == 0 {
		return nil
	}
	return http.Header{"Cookie": {strings.Join(cookies, "; ")}}
}

// inSession and asUser are cookies that count.
func inSession(id string) string { return sessionCookie(cookieTestKey, `"`+id+`"`, 0) }
func asUser(id string) string    { return loginCookie(cookieTestKey, `"`+id+`"`, 0) }

// browser keeps the cookies that a site sets.
type browser struct {
	t       testing.TB
	site    *siotest.Site
	mu      sync.Mutex // guards cookies where a page follows a login
	cookies map[string]string
	extra   http.Header // of each request, beside the cookies
}

func newBrowser(t testing.TB, site *siotest.Site) *browser {
	return &browser{t: t, site: site, cookies: make(map[string]string)}
}

// visit gets a page and returns its body.
func (b *browser) visit(path string) string {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.site.URL+path, nil)
	require.NoError(b.t, err)
	r.Header = b.header()
	resp, err := b.site.Client().Do(r)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	require.Equal(b.t, http.StatusOK, resp.StatusCode, string(body))
	b.keep(resp.Cookies())
	return string(body)
}

func (b *browser) keep(cookies []*http.Cookie) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range cookies {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
}

func (b *browser) header() http.Header {
	b.mu.Lock()
	defer b.mu.Unlock()
	pairs := make([]string, 0, len(b.cookies))
	for name, value := range b.cookies {
		pairs = append(pairs, name+"="+value)
	}
	header := b.extra.Clone()
	if header == nil {
		header = make(http.Header)
	}
	if len(pairs) > 0 {
		header["Cookie"] = as(pairs...)["Cookie"]
	}
	return header
}

func (b *browser) dial(transport string) *siotest.Client {
	b.t.Helper()
	return siotest.Dial(b.t, b.site, siotest.Options{Transport: transport, Header: b.header()})
}

// requireEmpty requires that nobody is to be found in any index of a Server and its channels.
func requireEmpty(t testing.TB, srv *Server, channels ...*Channel) {
	t.Helper()
	views := []Sessions{srv.CurrentSessions(), srv.LoggedInSessions()}
	for _, ch := range channels {
		require.Zero(t, ch.Len())
		require.Empty(t, collect(ch.Conns()))
		views = append(views, ch.CurrentSessions(), ch.LoggedInSessions())
	}
	for _, view := range views {
		require.Zero(t, view.Len())
		require.Empty(t, ids(view))
	}
}

// ids are the ids of the sessions in view.
func ids(view Sessions) []string {
	list := []string{}
	for session := range view.All() {
		list = append(list, session.ID())
	}
	return list
}

func collect[T any](seq func(yield func(T) bool)) []T {
	var list []T
	for v := range seq {
		list = append(list, v)
	}
	return list
}

// errTest is an error that no client may see.
var errTest = errors.New("secret detail")

// shutdown returns when all handlers have.
func shutdown(t testing.TB, srv *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), siotest.Limit)
	defer cancel()
	require.NoError(t, srv.Shutdown(ctx))
}
