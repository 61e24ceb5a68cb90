package client

import (
	"io/fs"
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

	content, err := fs.ReadFile(source.Files, FileName)
	require.NoError(t, err)
	require.Equal(t, "io", string(content))

	_, err = find(t.Context(), t.TempDir(), machine{})
	require.ErrorContains(t, err, FileName)
}

func TestInstalledClient(t *testing.T) {
	root := t.TempDir()
	pkg := filepath.Join(root, "node_modules", "socket.io-client")
	write(t, filepath.Join(pkg, "dist", FileName), "io")
	write(t, filepath.Join(pkg, "package.json"), `{"version": "4.8.1"}`)
	source, err := find(t.Context(), "", machine{folder: filepath.Join(root, "examples", "chat")})
	require.NoError(t, err)
	require.Equal(t, Path, source.Src)
	require.Contains(t, source.String(), filepath.Join(pkg, "dist"))
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
		require.Nil(t, source.Files, name)
	}
}

// A file in the cache that is not the client is not served.
func TestClientInCacheIsVerified(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "mojo-examples", "socket.io-client-"+version,
		"node_modules", "socket.io-client", "dist", FileName), "something else")
	source, err := find(t.Context(), "", machine{folder: root, cache: root})
	require.NoError(t, err)
	require.Nil(t, source.Files)
}
