package interop_test

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
)

// A browser that has only requested static files gets a session from its
// handshake. So a login by fetch finds its connection.
func TestBrowserWhoseHandshakeBeginsASession(t *testing.T) {
	chromium := requireChromium(t)
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	require.NoError(t, err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies, BeginSessions: true, Client: officialClient(t)})
	require.NoError(t, err)
	defer func() { _ = srv.Close() }()
	ev := &mojo.Events{Identity: func(c *mojo.Conn, _, now mojo.Identity) error { return c.Emit("you", now.UserID) }}
	_, err = srv.Handle("/", ev.Handler())
	require.NoError(t, err)

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if err := srv.LogIn(w, r, r.FormValue("user")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/connections", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, srv.LoggedInSessions().Get(r.FormValue("user")).Len())
	})
	site := servePage(t, mux, `<script src="/socket.io/socket.io.min.js"></script><script src="/socket.io/mojo.js"></script>`)

	ctx, cancel := context.WithTimeout(t.Context(), browserLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, requireNode(t), "begin_session.mjs", chromium, site).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, `websocket: websocket, 1 of the user, connected 1 times
polling: polling, 1 of the user, connected 1 times
polling,websocket: polling-websocket, 1 of the user, connected 1 times
`, string(out))
}
