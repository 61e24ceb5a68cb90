package servers

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojoredis"
)

// cookieKey is the key of the cookies. It is not a secret.
var cookieKey = mojo.Key{Hash: bytes.Repeat([]byte{'h'}, 32), Block: bytes.Repeat([]byte{'b'}, 32)}

func newCookies() (*mojo.Cookies, error) {
	return mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{cookieKey}, Insecure: true})
}

// MojoCookies returns the value of a Cookie header that names user n, and a
// session of that user.
func MojoCookies(n int) (string, error) {
	cookies, err := newCookies()
	if err != nil {
		return "", err
	}
	w := httptest.NewRecorder()
	if err := cookies.SetSession(w, "session-of-the-browser-"+strconv.Itoa(n)); err != nil {
		return "", err
	}
	if err := cookies.SetLogin(w, room(strconv.Itoa(n))); err != nil {
		return "", err
	}
	var pairs []string
	for _, c := range (&http.Response{Header: w.Header()}).Cookies() {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; "), nil
}

func newMojo(config Config) (*Server, error) {
	cookies, err := newCookies()
	if err != nil {
		return nil, err
	}
	options := mojo.Options{Cookies: cookies, Timeouts: mojo.Timeouts{PingInterval: config.Interval, PingTimeout: config.Timeout}}
	var bus *received
	if config.Redis != "" {
		bus = &received{}
		client := redis.NewClient(&redis.Options{Addr: config.Redis, Dialer: bus.dialer()})
		bus.Bus = mojoredis.New(client, mojoredis.Options{})
		options.Cluster = bus
		options.Logger = slog.New(slog.DiscardHandler) // other nodes end when a measurement does
	}
	srv, err := mojo.New(options)
	if err != nil {
		return nil, err
	}
	var ev mojo.Events
	mojo.On(&ev, "echo", func(c *mojo.Conn, in Body) error { return c.Emit("echo", in) })
	mojo.OnCall(&ev, "ack", func(_ *mojo.Conn, in Body) (Body, error) { return in, nil })
	ch, err := srv.Handle("/", ev.Handler())
	if err != nil {
		return nil, err
	}
	s := &Server{
		Handler:   srv,
		Broadcast: func() { must(ch.Emit("note", body)) },
		EmitTo: func(user int) {
			must(srv.LoggedInSessions().Get(room(strconv.Itoa(user))).Emit("note", body))
		},
		Conns: ch.Len,
	}
	if bus != nil {
		s.Nodes = func() int { return len(srv.Nodes()) }
		s.Users = srv.LoggedInSessions().Len
		s.Knows = func(user int) bool { return srv.LoggedInSessions().Has(room(strconv.Itoa(user))) }
		s.Received = func() (messages, bytes uint64) { return bus.messages.Load(), bus.bytes.Load() }
	}
	return s, nil
}

// must panics if there is an error, which is then printed by the process of the
// server.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
