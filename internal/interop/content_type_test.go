package interop_test

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
)

// A connection works if the page has set a Content-Type, to which the browser
// appends its own.
func TestBrowserWithContentTypeOfItsOwn(t *testing.T) {
	chromium := requireChromium(t)
	srv, err := mojo.New(mojo.Options{Client: officialClient(t)})
	require.NoError(t, err)
	defer func() { _ = srv.Close() }()
	ev := new(mojo.Events)
	mojo.OnCall(ev, "echo", func(_ *mojo.Conn, text string) (string, error) { return text, nil })
	_, err = srv.Handle("/", ev.Handler())
	require.NoError(t, err)

	var contentType atomic.Value
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			contentType.Store(r.Header.Get("Content-Type"))
		}
		srv.ServeHTTP(w, r)
	}))
	site := servePage(t, mux, `<script src="/socket.io/socket.io.min.js"></script>`)

	ctx, cancel := context.WithTimeout(t.Context(), browserLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, requireNode(t), "content_type.mjs", chromium, site).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "connected by polling, answered hello\n", string(out))
	require.Contains(t, contentType.Load(), "application/json, text/plain")
}

// officialClient returns the files of the official client.
func officialClient(t *testing.T) fs.FS {
	return os.DirFS(filepath.Join(nodeModules(t), "socket.io-client-4", "dist"))
}

// servePage adds a page to mux, serves it, and returns the URL.
func servePage(t *testing.T, mux *http.ServeMux, page string) string {
	t.Helper()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html>"+page)
	})
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return site.URL
}
