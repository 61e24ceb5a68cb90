package mojotest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/mojotest"
)

// newChat returns a mojo.Server with one app, Chat.
func newChat(t testing.TB, opts mojo.Options) *mojo.Server {
	t.Helper()
	if opts.Identify == nil && opts.Cookies == nil {
		cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, HostPrefix: true})
		require.NoError(t, err)
		opts.Cookies = cookies
	}
	opts.Logger = slog.New(slog.DiscardHandler)
	srv, err := mojo.New(opts)
	require.NoError(t, err)
	_, err = srv.Register("Chat", chat().Handler())
	require.NoError(t, err)
	return srv
}

// chat returns an app with the events that the tests use. It echoes all other
// events.
func chat() *mojo.Events {
	var ev mojo.Events
	ev.Connect = func(c *mojo.Conn) error {
		var auth struct{ Refuse bool }
		if json.Unmarshal(c.Handshake().Auth, &auth) == nil && auth.Refuse {
			return &mojo.ClientError{Message: "members only", Data: "/login"}
		}
		return nil
	}
	mojo.On(&ev, "say", func(c *mojo.Conn, text string) error { return c.Channel().Emit("said", text) })
	mojo.OnCall(&ev, "who", func(c *mojo.Conn, _ any) (string, error) { return c.UserID(), nil })
	mojo.OnCall(&ev, "transport", func(c *mojo.Conn, _ any) (mojo.Transport, error) { return c.Transport(), nil })
	mojo.OnCall(&ev, "fail", func(*mojo.Conn, string) (int, error) {
		return 0, mojo.ClientError{Message: "no", Data: map[string]int{"code": 7}}
	})
	mojo.On(&ev, "panic", func(*mojo.Conn, any) error { panic("planned") })
	mojo.On(&ev, "leave", func(c *mojo.Conn, _ any) error { return c.Disconnect() })
	ev.Fallback = func(c *mojo.Conn, m *mojo.Message) {
		args := make([]any, m.Len())
		dst := make([]any, m.Len())
		for i := range dst {
			dst[i] = &args[i]
		}
		if m.Decode(dst...) == nil {
			_ = c.Emit(m.Event(), args...)
			_ = m.Ack(args...)
		}
	}
	return &ev
}

var transports = []mojotest.Transport{mojotest.Upgrade, mojotest.WebSocket, mojotest.Polling}

// failure runs fn with a testing.TB that records failures, and returns their
// text.
func failure(t testing.TB, fn func(t testing.TB)) string {
	f := &failureRecorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(f)
	}()
	<-done
	return f.text
}

// failureRecorder is a testing.TB whose failures do not fail the test.
type failureRecorder struct {
	testing.TB
	text string
}

func (f *failureRecorder) Errorf(format string, args ...any) { f.text += fmt.Sprintf(format, args...) }

func (f *failureRecorder) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// loginForm returns a site with a login form.
func loginForm(srv *mojo.Server) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "user %q", srv.Identity(r).UserID)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if err := srv.LogIn(w, r, r.FormValue("user")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return srv.EnsureSession(mux)
}

// as returns the error of type E in err, and fails the test if there is none.
func as[E error](t testing.TB, err error) E {
	t.Helper()
	e, ok := errors.AsType[E](err)
	require.True(t, ok, "%v", err)
	return e
}

func revoke(srv *mojo.Server, user string) error {
	return srv.LoggedInSessions().Get(user).Revoke(context.Background(), mojo.Revocation{})
}
