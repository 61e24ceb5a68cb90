package e2e

import (
	"bytes"
	"log/slog"
	"sync"
)

// Log is a log that a test can read.
type Log struct {
	mu   sync.Mutex // guards what follows
	text bytes.Buffer
}

func (j *Log) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *Log) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
