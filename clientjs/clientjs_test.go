package clientjs_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/clientjs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// install writes a package as npm installs it.
func install(t *testing.T, folder, manifest string) string {
	t.Helper()
	pkg := filepath.Join(folder, "node_modules", "socket.io-client")
	require.NoError(t, os.MkdirAll(filepath.Join(pkg, "dist"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(pkg, "package.json"), []byte(manifest), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(pkg, "dist", "socket.io.min.js"), []byte("io"), 0o644))
	return pkg
}

func TestFindServes(t *testing.T) {
	root := t.TempDir()
	pkg := install(t, root, `{"version": "4.8.1"}`)
	below := filepath.Join(root, "cmd", "site")
	require.NoError(t, os.MkdirAll(below, 0o755))

	release, err := clientjs.Find(below)
	require.NoError(t, err)
	require.Equal(t, "4.8.1", release.Version)
	require.Equal(t, filepath.Join(pkg, "dist"), release.Folder)

	srv, err := mojo.New(mojo.Options{Client: release.Files})
	require.NoError(t, err)
	defer srv.Close()
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/socket.io/socket.io.min.js", nil))
	require.Equal(t, "io", w.Body.String())
}

func TestFindPassesOver(t *testing.T) {
	for name, c := range map[string]struct{ manifest, message string }{
		"an old release":     {`{"version": "2.5.0"}`, `has version "2.5.0"; want 3.0.0 or later`},
		"no version":         {`{}`, `has version ""`},
		"a broken manifest":  {`{`, "package.json"},
		"a strange manifest": {`{"version": 4}`, "package.json"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			below := filepath.Join(root, "site")
			install(t, below, c.manifest)
			_, err := clientjs.Find(below)
			require.ErrorContains(t, err, c.message)
			require.ErrorContains(t, err, "npm install socket.io-client")

			install(t, root, `{"version": "4.8.1"}`)
			release, err := clientjs.Find(below)
			require.NoError(t, err)
			require.Equal(t, "4.8.1", release.Version)
		})
	}
}

func TestFindWithoutDist(t *testing.T) {
	root := t.TempDir()
	pkg := install(t, root, `{"version": "4.8.1"}`)
	require.NoError(t, os.RemoveAll(filepath.Join(pkg, "dist")))
	_, err := clientjs.Find(root)
	require.ErrorContains(t, err, "has no folder dist")
}

func TestFindNothing(t *testing.T) {
	root := t.TempDir()
	release, err := clientjs.Find(root)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, root)
	require.Zero(t, release)
}
