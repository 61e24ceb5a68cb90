package nodetest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/nodetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Packages are installed once, and again when the lock file has changed.
func TestInstall(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "part"), 0o700))
	write("part/package.json", `{"name":"part"}`)
	write("package.json", `{"dependencies":{"part":"file:part"}}`)
	lock := `{"lockfileVersion":3,"packages":{"":{"dependencies":{"part":"file:part"}},"part":{},"node_modules/part":{"resolved":"part","link":true}}}`
	write("package-lock.json", lock)

	modules := nodetest.Install(t, dir)
	require.Equal(t, filepath.Join(dir, "node_modules"), modules)
	write("node_modules/kept", "")
	nodetest.Install(t, dir)
	require.FileExists(t, filepath.Join(modules, "kept"))
	write("package-lock.json", lock+"\n")
	nodetest.Install(t, dir)
	require.NoFileExists(t, filepath.Join(modules, "kept"))
}
