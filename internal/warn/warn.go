// Package warn logs a bounded number of warnings about events that any client
// can cause at any rate.
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
	mostKeys = 64          // keys in a Log
	mostEach = 16          // keys of one kind in a Log
	mostText = 200         // bytes of a key, and of a text in a line
)

// helpKey is the name of the argument with advice. The server chooses its text.
const helpKey = "help"

// rest is the key that is shared by all kinds for which there is no room.
const rest = "rest"

// Log writes warnings, at most one a minute for each key. Make one with New;
// one Log serves a whole server. It is safe for concurrent use, and holds no
// lock while the logger writes.
type Log struct {
	logger *slog.Logger

	mu      sync.Mutex
	entries map[string]*entry // by key; guarded by mu
}

// entry is the state of a key.
type entry struct {
	kind    string
	written time.Time // of the last line
	left    int       // lines left out since then
}

// silent reports whether the last line is too recent for another one.
func (e *entry) silent(now time.Time) bool { return now.Sub(e.written) < interval }

// New returns a Log that writes to logger; nil: slog.Default().
func New(logger *slog.Logger) *Log {
	if logger == nil {
		logger = slog.Default()
	}
	return &Log{logger: logger, entries: make(map[string]*entry)}
}

// Warn writes a line, unless one of the same key was written within the last
// minute. The next line of the key says how many were left out, as
// "suppressed".
//
// A key is a kind. After a space it may have a detail that a client chose, such
// as "origin https://example.com". A Log has at most 16 keys of a kind and 64
// in all; further details share the key of their kind, and further kinds share
// one key.
//
// Args are those of slog.Logger.Warn. Strings and errors among them are cut to
// 200 bytes, and their characters that cannot be printed are replaced. The
// string after "help" is logged unchanged.
//
// The logger may block, so Warn must not be called with a lock held, nor on an
// event loop that other connections wait for.
func (l *Log) Warn(key, msg string, args ...any) {
	if write := l.line(key, msg, args); write != nil {
		write()
	}
}

// Later is Warn for callers that must not wait for the logger. It may be called
// with a lock held.
func (l *Log) Later(key, msg string, args ...any) {
	if write := l.line(key, msg, args); write != nil {
		go write()
	}
}

// line returns a function that writes the line, or nil if no line is due.
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

// due reports whether a line of the key is written now, and how many were left
// out before it.
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

// entryLocked returns the entry of the key, or the entry that the key shares
// with others. l.mu must be held.
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

// roomLocked reports whether there is room for the key. It removes old keys if
// necessary. One entry of each kind is reserved for the key that its details
// share, and one of all entries for rest. l.mu must be held.
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

// clean returns the beginning of a text, with a ? for each character that
// cannot be printed.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s[:min(len(s), mostText)])
}
