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
	interval       = time.Minute // between two lines of the same key
	maxKeys        = 64          // in a Log
	maxKeysPerKind = 16          // of the same kind in a Log
	maxText        = 200         // bytes of a key, and of a string in a line
)

// helpKey is the name of the argument with advice for the operator. The server
// chooses its text, so it need not be shortened.
const helpKey = "help"

// sharedKey is the key of all kinds that do not fit into the Log.
const sharedKey = "rest"

// Log writes at most one warning per minute for each key. Make one with New. A
// server needs one Log. It is safe for concurrent use, and holds no lock while
// the logger writes.
type Log struct {
	logger *slog.Logger

	mu      sync.Mutex
	entries map[string]*entry // by key; guarded by mu
}

// entry is the state of a key.
type entry struct {
	kind       string
	written    time.Time // when the last line was written
	suppressed int       // lines that were not written since then
}

// isSilent reports whether the last line is too recent for another one.
func (e *entry) isSilent(now time.Time) bool { return now.Sub(e.written) < interval }

// New returns a Log that writes to logger; nil: slog.Default().
func New(logger *slog.Logger) *Log {
	if logger == nil {
		logger = slog.Default()
	}
	return &Log{logger: logger, entries: make(map[string]*entry)}
}

// Warn writes a line, unless it has written a line with the same key within the
// last minute. The next line with the key has the number of lines that were not
// written, as "suppressed".
//
// A key begins with a kind. After a space it may have a detail that a client
// chose, such as "origin https://example.com". A Log has at most 16 keys of a
// kind and 64 keys in total. More details share the key of their kind, and more
// kinds share one key.
//
// The args are those of slog.Logger.Warn. Strings and errors are cut to 200
// bytes, and characters that cannot be printed are replaced. The string after
// "help" is logged unchanged.
//
// The logger may block. So Warn must not be called with a lock held, and not on
// an event loop that serves other connections.
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

// line returns a function that writes the line, or nil if the line must not be
// written now.
func (l *Log) line(key, msg string, args []any) func() {
	suppressed, due := l.due(clean(key), time.Now())
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
	if suppressed > 0 {
		line = append(line, "suppressed", suppressed)
	}
	return func() { l.logger.Warn(msg, line...) }
}

// due reports whether a line with the key may be written now, and how many
// lines were not written before it.
func (l *Log) due(key string, now time.Time) (suppressed int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entryLocked(key, now)
	if e.isSilent(now) {
		e.suppressed++
		return 0, false
	}
	suppressed, e.suppressed, e.written = e.suppressed, 0, now
	return suppressed, true
}

// entryLocked returns the entry of the key, or the entry that the key shares
// with others. l.mu must be held.
func (l *Log) entryLocked(key string, now time.Time) *entry {
	kind, _, _ := strings.Cut(key, " ")
	for _, k := range [...]string{key, kind, sharedKey} {
		if e := l.entries[k]; e != nil {
			return e
		}
		if k == sharedKey || l.hasRoomLocked(k, kind, now) {
			e := &entry{kind: kind}
			l.entries[k] = e
			return e
		}
	}
	panic("warn: there is no room for the shared key")
}

// hasRoomLocked reports whether there is room for the key. It removes old keys
// if necessary. One entry of each kind is reserved for the key that is only the
// kind, and one entry of the Log for sharedKey. l.mu must be held.
func (l *Log) hasRoomLocked(key, kind string, now time.Time) bool {
	fits := func() bool {
		ofKind := 0
		for _, e := range l.entries {
			if e.kind == kind {
				ofKind++
			}
		}
		return len(l.entries) < maxKeys-1 && (key == kind || ofKind < maxKeysPerKind-1)
	}
	if fits() {
		return true
	}
	for k, e := range l.entries {
		if !e.isSilent(now) && k != sharedKey {
			delete(l.entries, k)
		}
	}
	return fits()
}

// clean shortens a string to maxText bytes and replaces each character that
// cannot be printed by a question mark.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s[:min(len(s), maxText)])
}
