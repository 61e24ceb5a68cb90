package mojobolt_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/ledger"
	"github.com/mojosocket/mojo/mojobolt"
)

// A second process that opens the file gets an error soon, and so does this one.
// When the first has ended, even by a signal, the file can be opened, and has
// all that was saved.
func TestFileOfAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	saved := startChild(t, path)
	for range 50 {
		require.NotEmpty(t, saved.next())
	}
	start := time.Now()

	_, err := mojobolt.Open(path)

	require.ErrorIs(t, err, mojobolt.ErrInUse)
	require.ErrorContains(t, err, path)
	require.Less(t, time.Since(start), 10*time.Second)
	last := saved.kill()
	l := open(t, path)
	all := keys(t, l)
	for i := range last + 1 {
		require.True(t, all[fmt.Sprint("child-", i)], i)
	}
	_, err = mojobolt.Open(path)
	require.ErrorIs(t, err, mojobolt.ErrInUse)
}

// childPath is an environment variable with the file of a child process.
const childPath = "MOJOBOLT_TEST_CHILD"

// runChild saves records and prints the number of each when it is saved.
func runChild(path string) {
	l, err := mojobolt.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := 0; ; i++ {
		r := ledger.Record{Key: fmt.Sprint("child-", i), Value: []byte("value"), Expires: time.Now().Add(time.Hour)}
		if err := l.Save(context.Background(), []ledger.Record{r}); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(i)
	}
}

// child is a process that saves records.
type child struct {
	t       *testing.T
	command *exec.Cmd
	lines   *bufio.Scanner
}

func startChild(t *testing.T, path string) *child {
	t.Helper()
	c := &child{t: t, command: exec.Command(os.Args[0])}
	c.command.Env = append(os.Environ(), childPath+"="+path)
	out, err := c.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.command.Start())
	t.Cleanup(func() { _ = c.command.Process.Kill() })
	c.lines = bufio.NewScanner(out)
	return c
}

// next returns the next line that the process prints.
func (c *child) next() string {
	c.t.Helper()
	if !c.lines.Scan() {
		return ""
	}
	return c.lines.Text()
}

// kill kills the process, and returns the number of the last record that it has
// saved.
func (c *child) kill() (last int) {
	c.t.Helper()
	require.NoError(c.t, c.command.Process.Kill())
	for line := c.next(); line != ""; line = c.next() {
		if _, err := fmt.Sscan(line, &last); err != nil {
			break // the pipe ends within a line
		}
	}
	_ = c.command.Wait() // the signal
	return last
}

// A file that is not a database, or that was damaged, is an error.
func TestDamagedFiles(t *testing.T) {
	skipOnWindows(t)
	dir := t.TempDir()
	whole := wholeFile(t, filepath.Join(dir, "whole"))
	for name, content := range map[string][]byte{
		"text":         []byte("this is not a database"),
		"long text":    bytes.Repeat([]byte("this is not a database\n"), 10_000),
		"zeros":        make([]byte, 1<<20),
		"half":         whole[:len(whole)/2],
		"one page":     whole[:4096],
		"without meta": append(make([]byte, 8192), whole[8192:]...),
		"zeros behind": append(bytes.Clone(whole[:16384]), make([]byte, len(whole)-16384)...),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			require.NoError(t, os.WriteFile(path, content, 0o600))

			_, err := mojobolt.Open(path)

			require.ErrorIs(t, err, mojobolt.ErrCorrupt)
			require.ErrorContains(t, err, "mojobolt: "+path+": the file is damaged")
			require.NoError(t, os.Remove(path))
			open(t, path)
		})
	}
}

// Bytes that have changed anywhere are an error, or the records can be loaded.
func TestChangedBytes(t *testing.T) {
	skipOnWindows(t)
	dir := t.TempDir()
	whole := wholeFile(t, filepath.Join(dir, "whole"))
	corrupt := 0
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		content := bytes.Clone(whole)
		for range 1 + random.IntN(8) {
			at := random.IntN(len(content))
			if seed%2 == 0 {
				at = random.IntN(len(content)/4096)*4096 + random.IntN(64) // the head of a page
			}
			content[at] ^= byte(1 + random.IntN(255))
		}
		path := filepath.Join(dir, fmt.Sprint("changed", seed)) // the process may hold a damaged file
		require.NoError(t, os.WriteFile(path, content, 0o600))
		l, err := mojobolt.Open(path)
		if err != nil {
			require.ErrorIs(t, err, mojobolt.ErrCorrupt)
			corrupt++
			continue
		}
		_ = l.Load(t.Context(), func(ledger.Record) error { return nil })
		require.NoError(t, l.Close())
	}
	require.Greater(t, corrupt, 40)
}

// A file that is cut off while it is open is an error, not the end of the
// process.
func TestFileIsCutOff(t *testing.T) {
	skipOnWindows(t)
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path)
	saveMany(t, l, "a", 2000, time.Now().Add(time.Hour))
	require.NoError(t, os.Truncate(path, 0))

	require.ErrorIs(t, l.Load(t.Context(), func(ledger.Record) error { return nil }), mojobolt.ErrCorrupt)
	require.ErrorIs(t, l.Save(t.Context(), []ledger.Record{{Key: "new", Value: []byte{1}, Expires: time.Now().Add(time.Hour)}}), mojobolt.ErrCorrupt)
}

// A path that cannot be opened.
func TestPathThatCannotBeOpened(t *testing.T) {
	_, err := mojobolt.Open(filepath.Join(t.TempDir(), "no", "folder"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "mojobolt: ")
	_, err = mojobolt.Open(t.TempDir())
	require.Error(t, err)
}

// Only the owner may read a new file.
func TestModeOfAFile(t *testing.T) {
	skipOnWindows(t)
	path := filepath.Join(t.TempDir(), "ledger")
	open(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

// skipOnWindows skips a test on Windows, where a file that is mapped cannot be cut
// off or removed, and permissions are others.
func skipOnWindows(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("files of Windows are others")
	}
}

// wholeFile returns a file with some records.
func wholeFile(t *testing.T, path string) []byte {
	t.Helper()
	l := open(t, path)
	expires := time.Date(2200, 1, 2, 3, 4, 5, 6, time.UTC)
	saveMany(t, l, "a", 500, expires)
	saveMany(t, l, "b", 500, expires.Add(time.Hour))
	require.NoError(t, l.Close())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Zero(t, len(content)%4096)
	return content
}
