package servers

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/mojosocket/mojo"
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

func newMojo(heartbeat Heartbeat) (*Server, error) {
	cookies, err := newCookies()
	if err != nil {
		return nil, err
	}
	srv, err := mojo.New(mojo.Options{Cookies: cookies, Timeouts: mojo.Timeouts{PingInterval: heartbeat.Interval, PingTimeout: heartbeat.Timeout}})
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
	return &Server{
		Handler:   srv,
		Broadcast: func() { must(ch.Emit("note", body)) },
		EmitTo: func(user int) {
			must(srv.LoggedInSessions().Get(room(strconv.Itoa(user))).Emit("note", body))
		},
		Conns: ch.Len,
	}, nil
}

// must panics if there is an error, which is then printed by the process of the
// server.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
