package mojonats_test

import (
	"bytes"
	"log/slog"
	"sync"
)

// quiet is a Logger that drops everything.
var quiet = slog.New(slog.DiscardHandler)

// logText is the text of a Logger.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logText) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
