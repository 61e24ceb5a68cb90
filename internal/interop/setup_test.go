package interop_test

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

// If the environment variable requireEnv is "require", a test without Node or a
// network fails instead of being skipped.
const requireEnv = "MOJO_INTEROP"

// errUnavailable is wrapped by errors about missing programs or a missing
// network.
var errUnavailable = errors.New("not available here")

// requireNode returns the path of node. Without Node or npm it skips the test,
// or fails it if MOJO_INTEROP=require.
func requireNode(t *testing.T) string {
	t.Helper()
	path, err := findNode()
	requireAvailable(t, err)
	return path
}

// nodeModules installs the packages of package-lock.json and returns the
// absolute path of node_modules. If that is not possible, it skips or fails the
// test as requireNode does.
func nodeModules(t *testing.T) string {
	t.Helper()
	requireNode(t)
	path, err := install()
	requireAvailable(t, err)
	return path
}

func requireAvailable(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, errUnavailable) && os.Getenv(requireEnv) != "require":
		t.Skipf("interop tests need Node %d with npm and, once, a network: %v", oldestNode, err)
	default:
		t.Fatal(err)
	}
}

var findNode = sync.OnceValues(func() (string, error) {
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

// install runs npm ci, unless node_modules matches package-lock.json already.
var install = sync.OnceValues(func() (string, error) {
	modules, err := filepath.Abs("node_modules")
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	want := hex.EncodeToString(sum[:])
	stamp := filepath.Join(modules, ".installed")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == want {
		return modules, nil
	}
	if err := npmInstall(); err != nil {
		return "", err
	}
	return modules, writeWhole(stamp, want)
})

// offline matches the output of npm when it cannot reach its registry.
var offline = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT|FETCH_ERROR|E403|E5\d\d`)

func npmInstall() error {
	ctx, cancel := context.WithTimeout(context.Background(), installLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund",
		"--fetch-retries=1", "--loglevel=error")
	cmd.WaitDelay = time.Second
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
