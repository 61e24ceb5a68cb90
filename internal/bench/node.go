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

// nodeScript returns the paths of the server in Node and of the folder of its
// packages: those of the interop tests or, for a cluster, of the tests of
// mojoredis. It installs them if they are missing.
func nodeScript(cluster bool) (script, packages string, err error) {
	install := installInterop
	if cluster {
		install = installAdapter
	}
	packages, err = install()
	return filepath.Join(folder(), "node_server.mjs"), packages, err
}

var (
	installInterop = packagesIn("../interop", "socket.io")
	installAdapter = packagesIn("../../mojoredis/testdata/interop", "@socket.io/redis-adapter")
)

// folder is the folder of this file.
func folder() string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Dir(here)
}

// packagesIn returns a function that returns a folder of packages, by its path
// from here. The function installs the packages if one of them is missing.
func packagesIn(path, needed string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir := filepath.Join(folder(), path)
		switch _, err := os.Stat(filepath.Join(dir, "node_modules", needed)); {
		case errors.Is(err, fs.ErrNotExist):
			cmd := exec.Command("npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				return "", fmt.Errorf("npm ci: %w\n%s", err, out)
			}
		case err != nil:
			return "", err
		}
		return dir, nil
	})
}
