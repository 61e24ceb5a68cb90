// Package nodetest finds Node for tests, and installs the npm packages that they
// need.
//
// Tests without Node 18 or later and npm are skipped, and so are tests whose
// packages are not installed yet and cannot be fetched. With
// MOJO_INTEROP=require in the environment they fail.
package nodetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	installLimit = 3 * time.Minute
	oldestNode   = 18
)

// errUnavailable is wrapped by errors about missing programs or a missing
// network.
var errUnavailable = errors.New("not available here")

// Require returns the path of node, and skips the test if there is none.
func Require(tb testing.TB) string {
	tb.Helper()
	path, err := find()
	requireAvailable(tb, err)
	return path
}

// Install installs the packages of package-lock.json in a folder, unless they
// are there already. It returns the absolute path of node_modules, and skips the
// test if it cannot install them.
func Install(tb testing.TB, dir string) string {
	tb.Helper()
	Require(tb)
	installing.Lock()
	defer installing.Unlock()
	path, err := install(dir)
	requireAvailable(tb, err)
	return path
}

func requireAvailable(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case err == nil:
	case errors.Is(err, errUnavailable) && os.Getenv("MOJO_INTEROP") != "require":
		tb.Skipf("the test needs Node %d with npm and, once, a network: %v", oldestNode, err)
	default:
		tb.Fatal(err)
	}
}

var find = sync.OnceValues(func() (string, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return "", fmt.Errorf("%w: %w", errUnavailable, err)
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return "", fmt.Errorf("%w: %w", errUnavailable, err)
	}
	version, err := exec.Command(node, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("node --version: %w", err)
	}
	major, _, _ := bytes.Cut(bytes.TrimPrefix(version, []byte("v")), []byte("."))
	if n, err := strconv.Atoi(string(major)); err != nil || n < oldestNode {
		return "", fmt.Errorf("%w: Node is %s", errUnavailable, bytes.TrimSpace(version))
	}
	return node, nil
})

// installing is held during install.
var installing sync.Mutex

// install runs npm ci, unless node_modules matches package-lock.json already.
func install(dir string) (string, error) {
	modules, err := filepath.Abs(filepath.Join(dir, "node_modules"))
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	want := hex.EncodeToString(sum[:])
	stamp := filepath.Join(modules, ".installed")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == want {
		return modules, nil
	}
	if err := npmInstall(dir); err != nil {
		return "", err
	}
	return modules, writeWhole(stamp, want)
}

// offline matches the output of npm when it cannot reach its registry.
var offline = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT|FETCH_ERROR|E403|E5\d\d`)

func npmInstall(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), installLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund",
		"--fetch-retries=1", "--loglevel=error")
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || offline.Match(out):
		return fmt.Errorf("%w: npm ci: %w\n%s", errUnavailable, err, out)
	default:
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
}

// writeWhole writes a file atomically.
func writeWhole(path, content string) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
