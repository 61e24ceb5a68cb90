package cluster

import (
	"context"
	"log/slog"
	"sync"

	"github.com/mojosocket/mojo/internal/e2e/history"
)

// stateLog reads from a Server's log whether it belongs to its cluster.
type stateLog struct {
	recorder *history.Recorder
	node     int

	mu             sync.Mutex
	joined, linked bool
}

func (*stateLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *stateLog) WithAttrs([]slog.Attr) slog.Handler             { return l }
func (l *stateLog) WithGroup(string) slog.Handler                  { return l }

func (l *stateLog) Handle(_ context.Context, record slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch record.Message {
	default:
		return nil
	case "mojo: the broker of the cluster can be reached":
		l.linked = true
	case "mojo: the broker of the cluster cannot be reached":
		l.linked = false
	case "mojo: the state of this node in its cluster has changed":
		record.Attrs(func(a slog.Attr) bool {
			if a.Key == "state" {
				l.joined = a.Value.String() == "ready"
				l.recorder.Note("node %d is %s", l.node, a.Value)
			}
			return true
		})
	}
	l.recorder.NoteState(l.node, l.joined, l.linked)
	return nil
}
