package warn

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// newLog returns a Log and the buffer that it writes to.
func newLog() (*Log, *bytes.Buffer) {
	var out bytes.Buffer
	return New(slog.New(slog.NewTextHandler(&out, nil))), &out
}

func lines(out *bytes.Buffer) int { return strings.Count(out.String(), "\n") }

func TestOneLinePerMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := newLog()
		for range 5 {
			l.Warn("limit", "mojo: full", "option", "MaxConns")
		}
		l.Warn("other", "mojo: something else")
		require.Equal(t, 2, lines(out))
		require.Contains(t, out.String(), `level=WARN msg="mojo: full" option=MaxConns`)

		out.Reset()
		time.Sleep(time.Minute - time.Nanosecond)
		l.Warn("limit", "mojo: full")
		require.Empty(t, out.String())

		time.Sleep(time.Nanosecond)
		l.Warn("limit", "mojo: full")
		require.Contains(t, out.String(), "suppressed=5")
		out.Reset()
		time.Sleep(time.Minute)
		l.Warn("limit", "mojo: full")
		require.NotContains(t, out.String(), "suppressed")
	})
}

func TestClientsCannotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := newLog()
		for i := range 10_000 {
			l.Warn(fmt.Sprint("origin ", i), "mojo: refused")
		}
		require.Equal(t, maxKeysPerKind, lines(out))
		require.Len(t, l.entries, maxKeysPerKind)
		l.Warn("limit", "mojo: full")
		require.Equal(t, maxKeysPerKind+1, lines(out), "another kind has its own line")

		for i := range 10_000 {
			l.Warn(fmt.Sprint("kind", i), "mojo: refused")
		}
		require.Len(t, l.entries, maxKeys)
		require.Equal(t, maxKeys, lines(out))

		out.Reset()
		time.Sleep(time.Minute)
		l.Warn("new", "mojo: refused")
		l.Warn("origin new", "mojo: refused")
		require.Equal(t, 2, lines(out), "old keys are removed")
		require.NotContains(t, out.String(), "suppressed")
	})
}

func TestTextIsBounded(t *testing.T) {
	l, out := newLog()
	long := strings.Repeat("x", 10_000)
	l.Warn("origin "+long, "mojo: refused", "origin", long, "error", errors.New(long),
		"name", "a\nb\x1b\xff\u202e")
	require.Less(t, out.Len(), 2*maxText+200)
	require.Contains(t, out.String(), "name=a?b???")
	for k := range l.entries {
		require.LessOrEqual(t, len(k), maxText)
	}
}

// TestHelpIsNotShortened: a long help text is logged completely.
func TestHelpIsNotShortened(t *testing.T) {
	log, out := newLog()
	help := strings.Repeat("do this and that; ", 30)
	log.Warn("cause", "it failed", "name", strings.Repeat("x", 1000), "help", help)

	require.Contains(t, out.String(), help)
	require.NotContains(t, out.String(), strings.Repeat("x", 201))
}

func TestConcurrentUse(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	l := New(slog.New(slog.NewTextHandler(&lockedWriter{&mu, &out}, nil)))
	var goroutines sync.WaitGroup
	for i := range 8 {
		goroutines.Go(func() {
			for range 100 {
				l.Warn(fmt.Sprint("kind", i%2), "mojo: refused")
			}
		})
	}
	goroutines.Wait()
	require.Equal(t, 2, lines(&out))
}

type lockedWriter struct {
	mu  *sync.Mutex
	out *bytes.Buffer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}
