package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// clientFolder makes a folder with a file of the client's name.
func clientFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, clientName), "io")
	return folder
}

func write(t *testing.T, file, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
}

func TestClientFromAFolder(t *testing.T) {
	c, err := findClient(t.Context(), clientFolder(t), machine{})
	require.NoError(t, err)
	require.Equal(t, clientPath, c.Src)
	require.Empty(t, c.Integrity)
	require.Empty(t, c.scriptSource())

	w := httptest.NewRecorder()
	c.serve(w, httptest.NewRequest(http.MethodGet, clientPath, nil))
	require.Equal(t, "io", w.Body.String())

	_, err = findClient(t.Context(), t.TempDir(), machine{})
	require.ErrorContains(t, err, clientName)
}

func TestInstalledClient(t *testing.T) {
	for _, path := range []string{"node_modules/socket.io-client", "internal/interop/node_modules/socket.io-client-4"} {
		t.Run(path, func(t *testing.T) {
			root := t.TempDir()
			pkg := filepath.Join(root, filepath.FromSlash(path))
			file := filepath.Join(pkg, "dist", clientName)
			below := filepath.Join(root, "examples", "chat")
			write(t, file, "io")

			write(t, filepath.Join(pkg, "package.json"), `{"version": "2.5.0"}`)
			c, err := findClient(t.Context(), "", machine{folder: below})
			require.NoError(t, err)
			require.NotEqual(t, file, c.file, "a client of another protocol")

			write(t, filepath.Join(pkg, "package.json"), `{"version": "4.8.1"}`)
			c, err = findClient(t.Context(), "", machine{folder: below})
			require.NoError(t, err)
			require.Equal(t, file, c.file)
		})
	}
}

func TestClientOfTheCDN(t *testing.T) {
	root := t.TempDir()
	notNpm := filepath.Join(root, "not-npm")
	for name, m := range map[string]machine{
		"no npm":    {folder: root, cache: root},
		"no cache":  {folder: root},
		"npm fails": {folder: root, cache: root, npm: notNpm},
	} {
		c, err := findClient(t.Context(), "", m)
		require.NoError(t, err, name)
		require.Equal(t, "https://cdn.socket.io/4.8.1/socket.io.min.js", c.Src, name)
		require.Equal(t, clientIntegrity, c.Integrity, name)
		require.Equal(t, " "+c.Src, c.scriptSource(), name)
		w := httptest.NewRecorder()
		c.serve(w, httptest.NewRequest(http.MethodGet, clientPath, nil))
		require.Equal(t, http.StatusNotFound, w.Code, name)
	}
}

// A file in the cache that is not the client is not served.
func TestClientInTheCacheIsVerified(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "mojo-examples", "socket.io-client-"+clientVersion,
		"node_modules", "socket.io-client", "dist", clientName), "something else")
	c, err := findClient(t.Context(), "", machine{folder: root, cache: root})
	require.NoError(t, err)
	require.Empty(t, c.file)
}
