package persist

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/mojosocket/mojo/internal/hub/ledger"
	public "github.com/mojosocket/mojo/ledger"
)

// Load returns the entries in a store that have not expired, for Hub.Merge. Of
// more entries than a hub keeps it returns the latest. It logs how many records
// are broken, and leaves them out. It returns an error if ctx ends before the
// store has returned all, also if the store ignores that.
func Load(ctx context.Context, store public.Store, log *slog.Logger) ([]ledger.Entry, error) {
	result := make(chan *loading, 1)
	go func() {
		l := &loading{now: time.Now()}
		l.err = guard(func() error {
			return store.Load(ctx, func(r public.Record) error {
				l.add(&r)
				return ctx.Err()
			})
		})
		result <- l
	}()
	select {
	case l := <-result:
		if l.err != nil {
			return nil, l.err
		}
		if l.broken > 0 {
			log.Warn("mojo: records of Options.Ledger cannot be read and were skipped: what they revoked may be valid again",
				"records", l.broken, "key", l.brokenKey, "error", l.brokenErr)
		}
		l.keepLatest()
		return l.withChanges(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// loading is the state of a Load.
type loading struct {
	now       time.Time
	entries   []ledger.Entry
	broken    int    // records that cannot be read
	brokenKey string // of the first of them
	brokenErr error
	err       error
}

func (l *loading) add(r *public.Record) {
	e, err := entryOf(r)
	switch {
	case err != nil:
		if l.broken++; l.broken == 1 {
			l.brokenKey, l.brokenErr = r.Key[:min(len(r.Key), public.MaxKey)], err
		}
	case !e.Expired(l.now):
		l.keep(e)
	}
}

// keep adds an entry. There are never more than a store has.
func (l *loading) keep(e ledger.Entry) {
	if l.entries = append(l.entries, e); len(l.entries) >= public.MaxRecords {
		l.keepLatest()
	}
}

// keepLatest sorts the entries by their clocks, and removes the earliest above
// the number that a hub keeps of each kind.
func (l *loading) keepLatest() {
	slices.SortFunc(l.entries, func(a, b ledger.Entry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	var count [ledger.CutOff + 1]int
	kept := len(l.entries)
	for i := len(l.entries) - 1; i >= 0; i-- {
		e := &l.entries[i]
		if count[e.Kind]++; count[e.Kind] <= ledger.MaxEntries {
			kept--
			l.entries[kept] = *e
		}
	}
	l.entries = slices.Delete(l.entries, 0, kept)
}

// withChanges adds the changes that the entries are about: a session id was
// given up because a Rebind led to another one. If that was a login, a Revoke
// with an earlier clock does not make it invalid.
func (l *loading) withChanges() []ledger.Entry {
	for _, e := range l.entries {
		if e.Kind == ledger.GivenUp && e.To.Session != "" && e.To.User != "" {
			l.entries = append(l.entries, ledger.Entry{Kind: ledger.Changed, ID: e.To.Session, At: e.At, Until: e.Until, To: e.To})
		}
	}
	return l.entries
}

// guard returns the error of a function of the store. A panic is an error, too.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}
