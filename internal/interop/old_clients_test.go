package interop_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
)

// octetStream is the Content-Type of a payload that is binary.
const octetStream = "application/octet-stream"

// payloadTypes records which requests over polling had a payload that is binary.
type payloadTypes struct {
	mu             sync.Mutex // guards the fields below
	posts, answers int
}

func (p *payloadTypes) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		p.mu.Lock()
		defer p.mu.Unlock()
		if r.Header.Get("Content-Type") == octetStream {
			p.posts++
		}
		if w.Header().Get("Content-Type") == octetStream {
			p.answers++
		}
	})
}

// Old clients in a browser: it has XMLHttpRequest 2, so payloads with binary are
// binary in both directions, and it sends cookies by itself.
func TestOldClientsInABrowser(t *testing.T) {
	if os.Getenv("MOJO_LONG") == "" {
		t.Skip("the browser sometimes does not end with client 2.0; set MOJO_LONG=1")
	}
	chromium := requireChromium(t)
	for module, script := range map[string]string{
		"socket.io-client-2.5": "socket.io.js",
		"socket.io-client-2.0": "socket.io.js",
		"socket.io-client-1":   "socket.io.min.js",
	} {
		t.Run(module, func(t *testing.T) {
			cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}, Insecure: true})
			require.NoError(t, err)
			srv, err := mojo.New(mojo.Options{Cookies: cookies, BeginSessions: true, AllowEIO3: true})
			require.NoError(t, err)
			defer func() { _ = srv.Close() }()
			ev := &mojo.Events{
				Connect: func(c *mojo.Conn) error {
					if room := authOf(c)["room"]; room != "a" {
						return mojo.ClientError{Message: fmt.Sprintf("the room is %v", room)}
					}
					return nil
				},
				Identity: func(c *mojo.Conn, _, now mojo.Identity) error { return c.Emit("you", now.UserID) },
			}
			mojo.OnCall(ev, "echo", func(_ *mojo.Conn, in struct {
				Text string           `json:"text"`
				Deep []map[string]any `json:"deep"`
			},
			) (any, error) {
				return in, nil
			})
			_, err = srv.Register("Chat", ev.Handler())
			require.NoError(t, err)

			var types payloadTypes
			mux := http.NewServeMux()
			mux.Handle("/socket.io/", types.wrap(srv))
			mux.Handle("/client/", http.StripPrefix("/client/", http.FileServerFS(os.DirFS(filepath.Join(nodeModules(t), module, "dist")))))
			mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
				if err := srv.LogIn(w, r, r.FormValue("user")); err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
				}
			})
			site := servePage(t, mux, `<script src="/client/`+script+`"></script><script src="/socket.io/mojo.js"></script>`)

			ctx, cancel := context.WithTimeout(t.Context(), browserLimit)
			defer cancel()
			out, err := exec.CommandContext(ctx, requireNode(t), "old_clients.mjs", chromium, site).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Equal(t, `websocket: ü€😀, 0,1,254,255, user websocket, connected 1
polling: ü€😀, 0,1,254,255, user polling, connected 1
polling,websocket: ü€😀, 0,1,254,255, user polling-websocket, connected 1
`, string(out))
			types.mu.Lock()
			defer types.mu.Unlock()
			require.NotZero(t, types.posts, "POSTs with binary")
			require.NotZero(t, types.answers, "answers to polls with binary")
		})
	}
}
