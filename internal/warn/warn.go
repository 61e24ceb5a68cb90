// Package warn writes a bounded number of Warn lines, for causes that strangers can
// repeat as often as they like.
package warn

import (
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
)

// The bounds of a Log.
const (
	interval = time.Minute // between two lines of one key
	mostKeys = 64          // that are remembered at a time
	mostEach = 16          // that are remembered of one kind
	mostText = 200         // bytes of a key, and of a text that a line quotes
)

// helpKey is the name of the argument that says what to do. It is the server's own text.
const helpKey = "help"

// rest is the key that kinds share that find no place.
const rest = "rest"

// Log writes Warn lines, at most one a minute for each key. Make one with New; one
// Log serves a whole server. It is safe for concurrent use, and holds no lock while
// the logger writes.
type Log struct {
	logger *slog.Logger

	mu      sync.Mutex // guards entries
	entries map[string]*entry
}

// entry is what a Log remembers of a key.
type entry struct {
	kind    string
	written time.Time
	left    int // lines left out since then
}

func (e *entry) silent(now time.Time) bool { return now.Sub(e.written) < interval }

// New returns a Log that writes to logger; nil: slog.Default().
func New(logger *slog.Logger) *Log {
	if logger == nil {
		logger = slog.Default()
	}
	return &Log{logger: logger, entries: make(map[string]*entry)}
}

// Warn writes a line, unless one of the same key was written within the last minute.
// The next line of the key says how many were left out, as "suppressed".
//
// A key is a kind, and may have a detail behind a space that a stranger chose, such
// as "origin https://example.com". A Log remembers at most 16 keys of a kind and 64
// in all; further details share the key of their kind, and further kinds share one
// key. Args are those of slog.Logger.Warn. Strings and errors among them are cut to
// 200 bytes, and what cannot be printed is replaced, but for the text behind "help",
// which is the caller's own.
//
// The logger may block, so Warn must not be called with a lock held, nor on an event
// loop that other connections wait for.
func (l *Log) Warn(key, msg string, args ...any) {
	if write := l.line(key, msg, args); write != nil {
		write()
	}
}

// Later is Warn for callers that must not wait for the logger. It may be called with
// a lock held.
func (l *Log) Later(key, msg string, args ...any) {
	if write := l.line(key, msg, args); write != nil {
		go write()
	}
}

// line returns what writes a line, nil if none is due.
func (l *Log) line(key, msg string, args []any) func() {
	left, due := l.due(clean(key), time.Now())
	if !due {
		return nil
	}
	line := make([]any, 0, len(args)+2)
	for i, a := range args {
		switch v := a.(type) {
		case string:
			if i == 0 || args[i-1] != helpKey {
				a = clean(v)
			}
		case error:
			a = clean(v.Error())
		}
		line = append(line, a)
	}
	if left > 0 {
		line = append(line, "suppressed", left)
	}
	return func() { l.logger.Warn(msg, line...) }
}

// due reports whether a line of the key is written now, and how many were left out
// before it.
func (l *Log) due(key string, now time.Time) (left int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entryLocked(key, now)
	if e.silent(now) {
		e.left++
		return 0, false
	}
	left, e.left, e.written = e.left, 0, now
	return left, true
}

// entryLocked returns the entry of the key, or the one that the key shares. l.mu must
// be held.
func (l *Log) entryLocked(key string, now time.Time) *entry {
	kind, _, _ := strings.Cut(key, " ")
	for _, k := range [...]string{key, kind, rest} {
		if e := l.entries[k]; e != nil {
			return e
		}
		if k == rest || l.roomLocked(k, kind, now) {
			e := &entry{kind: kind}
			l.entries[k] = e
			return e
		}
	}
	panic("warn: rest has always room")
}

// roomLocked reports whether the key can be remembered, and forgets old keys if that
// takes their places. One place of a kind is for the key that its details share, and
// one of all is for rest. l.mu must be held.
func (l *Log) roomLocked(key, kind string, now time.Time) bool {
	fits := func() bool {
		ofKind := 0
		for _, e := range l.entries {
			if e.kind == kind {
				ofKind++
			}
		}
		return len(l.entries) < mostKeys-1 && (key == kind || ofKind < mostEach-1)
	}
	if fits() {
		return true
	}
	for k, e := range l.entries {
		if !e.silent(now) && k != rest {
			delete(l.entries, k)
		}
	}
	return fits()
}

// clean returns a text that is short and printable.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s[:min(len(s), mostText)])
}
