package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// nodeScript returns the path of the server in Node. If its packages are
// missing, which are those of the interop tests, it installs them.
var nodeScript = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Dir(here)
	interop := filepath.Join(dir, "..", "interop")
	switch _, err := os.Stat(filepath.Join(interop, "node_modules", "socket.io")); {
	case errors.Is(err, fs.ErrNotExist):
		cmd := exec.Command("npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error")
		cmd.Dir = interop
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("npm ci: %w\n%s", err, out)
		}
	case err != nil:
		return "", err
	}
	return filepath.Join(dir, "node_server.mjs"), nil
})
