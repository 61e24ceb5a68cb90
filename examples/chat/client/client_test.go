package client

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folderWithClient returns a folder that has a file with the name of the
// client.
func folderWithClient(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, FileName), "io")
	return folder
}

func write(t *testing.T, file, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
}

func TestClientFromFolder(t *testing.T) {
	source, err := find(t.Context(), folderWithClient(t), machine{})
	require.NoError(t, err)
	require.Equal(t, Path, source.Src)
	require.Empty(t, source.Integrity)
	require.Empty(t, source.ScriptSource())

	w := httptest.NewRecorder()
	source.ServeHTTP(w, httptest.NewRequest(http.MethodGet, Path, nil))
	require.Equal(t, "io", w.Body.String())

	_, err = find(t.Context(), t.TempDir(), machine{})
	require.ErrorContains(t, err, FileName)
}

func TestInstalledClient(t *testing.T) {
	for _, path := range []string{"node_modules/socket.io-client", "internal/interop/node_modules/socket.io-client-4"} {
		t.Run(path, func(t *testing.T) {
			root := t.TempDir()
			pkg := filepath.Join(root, filepath.FromSlash(path))
			file := filepath.Join(pkg, "dist", FileName)
			below := filepath.Join(root, "examples", "chat")
			write(t, file, "io")

			write(t, filepath.Join(pkg, "package.json"), `{"version": "2.5.0"}`)
			source, err := find(t.Context(), "", machine{folder: below})
			require.NoError(t, err)
			require.NotEqual(t, file, source.file, "release 2 has another protocol")

			write(t, filepath.Join(pkg, "package.json"), `{"version": "4.8.1"}`)
			source, err = find(t.Context(), "", machine{folder: below})
			require.NoError(t, err)
			require.Equal(t, file, source.file)
		})
	}
}

func TestClientFromCDN(t *testing.T) {
	root := t.TempDir()
	notNpm := filepath.Join(root, "not-npm")
	for name, m := range map[string]machine{
		"no npm":    {folder: root, cache: root},
		"no cache":  {folder: root},
		"npm fails": {folder: root, cache: root, npm: notNpm},
	} {
		source, err := find(t.Context(), "", m)
		require.NoError(t, err, name)
		require.Equal(t, "https://cdn.socket.io/4.8.1/socket.io.min.js", source.Src, name)
		require.Equal(t, integrity, source.Integrity, name)
		require.Equal(t, source.Src, source.ScriptSource(), name)
		w := httptest.NewRecorder()
		source.ServeHTTP(w, httptest.NewRequest(http.MethodGet, Path, nil))
		require.Equal(t, http.StatusNotFound, w.Code, name)
	}
}

// A file in the cache that is not the client is not served.
func TestClientInCacheIsVerified(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "mojo-examples", "socket.io-client-"+version,
		"node_modules", "socket.io-client", "dist", FileName), "something else")
	source, err := find(t.Context(), "", machine{folder: root, cache: root})
	require.NoError(t, err)
	require.Empty(t, source.file)
}
