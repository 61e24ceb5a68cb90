package interop_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
)

// A browser that has seen nothing but static files has a session from its handshake,
// so a login by fetch finds its connection.
func TestBrowserWhoseHandshakeBeginsASession(t *testing.T) {
	modules := nodeModules(t)
	chromium := requireChromium(t)
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
	require.NoError(t, err)
	srv, err := mojo.New(mojo.Options{Cookies: cookies, BeginSessions: true})
	require.NoError(t, err)
	defer func() { _ = srv.Close() }()
	ev := &mojo.Events{Identity: func(c *mojo.Conn, _, now mojo.Identity) error { return c.Emit("you", now.UserID) }}
	_, err = srv.Handle("/", ev)
	require.NoError(t, err)

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.Handle("/client/", http.StripPrefix("/client/", http.FileServer(http.Dir(filepath.Join(modules, "socket.io-client-4", "dist")))))
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if err := srv.LogIn(w, r, r.FormValue("user")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/connections", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, srv.LoggedInSessions().Get(r.FormValue("user")).Len())
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><script src="/client/socket.io.min.js"></script><script src="/socket.io/mojo.js"></script>`)
	})
	site := httptest.NewServer(mux)
	defer site.Close()

	ctx, cancel := context.WithTimeout(t.Context(), browserLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, requireNode(t), "begin_session.mjs", chromium, site.URL).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, `websocket: websocket, 1 of the user, connected 1 times
polling: polling, 1 of the user, connected 1 times
polling,websocket: polling-websocket, 1 of the user, connected 1 times
`, string(out))
}
