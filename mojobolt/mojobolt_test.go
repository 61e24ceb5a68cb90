package mojobolt_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/ledger"
	"github.com/mojosocket/mojo/ledger/ledgertest"
	"github.com/mojosocket/mojo/mojobolt"
)

// open opens a file until the test ends.
func open(t testing.TB, path string) *mojobolt.Ledger {
	t.Helper()
	l, err := mojobolt.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func TestStore(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledgertest.Backend {
		path := filepath.Join(t.TempDir(), "ledger")
		store := open(t, path)
		return ledgertest.Backend{
			Store: store,
			Other: open(t, path+"2"),
			Reopen: func() ledger.Store {
				require.NoError(t, store.Close())
				store = open(t, path)
				return store
			},
			Break: func() { require.NoError(t, store.Close()) },
		}
	})
}

// saveMany saves n records.
func saveMany(t testing.TB, l *mojobolt.Ledger, prefix string, n int, expires time.Time) {
	t.Helper()
	const batch = 10_000
	for begin := 0; begin < n; begin += batch {
		var list []ledger.Record
		for i := begin; i < min(begin+batch, n); i++ {
			list = append(list, ledger.Record{Key: fmt.Sprintf("%s-%d", prefix, i), Value: make([]byte, 100), Expires: expires.Add(time.Duration(i))})
		}
		require.NoError(t, l.Save(t.Context(), list))
	}
}

// keys returns the keys of all records.
func keys(t testing.TB, l *mojobolt.Ledger) map[string]bool {
	t.Helper()
	all := make(map[string]bool)
	require.NoError(t, l.Load(t.Context(), func(r ledger.Record) error {
		all[r.Key] = true
		return nil
	}))
	return all
}

// A file has a bound: of too many records those are removed that expire first,
// also after it was opened again.
func TestRecordsAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path)
	later := time.Now().Add(time.Hour)
	saveMany(t, l, "first", ledger.MaxRecords, later)
	require.Equal(t, ledger.MaxRecords, len(keys(t, l)))

	saveMany(t, l, "second", 5, later.Add(time.Hour))
	require.NoError(t, l.Close())
	l = open(t, path)
	saveMany(t, l, "third", 5, later.Add(time.Hour))

	all := keys(t, l)
	require.Equal(t, ledger.MaxRecords, len(all))
	require.False(t, all["first-9"])
	require.True(t, all["first-10"])
	require.True(t, all["second-0"])
	require.True(t, all["third-0"])
}

// What has expired is removed, so a file does not grow for ever.
func TestExpiredRecordsAreRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path)
	size := func() int64 {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return info.Size()
	}
	round := func() {
		saveMany(t, l, fmt.Sprint(time.Now().UnixNano()), 2000, time.Now().Add(100*time.Millisecond))
		require.Eventually(t, func() bool { return len(keys(t, l)) <= 1 }, 10*time.Second, 10*time.Millisecond)
		for range 3 {
			saveMany(t, l, "other", 1, time.Now().Add(time.Hour)) // removes some of them
		}
	}
	round()
	round()
	before := size()
	for range 10 {
		round()
	}
	require.LessOrEqual(t, size(), 2*before)
}

// A closed Ledger returns errors.
func TestClose(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger"))
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())

	require.ErrorIs(t, l.Save(t.Context(), []ledger.Record{{Key: "a", Value: []byte{1}, Expires: time.Now().Add(time.Hour)}}), os.ErrClosed)
	err := l.Load(t.Context(), func(ledger.Record) error { return nil })
	require.ErrorIs(t, err, os.ErrClosed)
	require.ErrorContains(t, err, "mojobolt: ")
}

// Of two calls of Save, one may end by its context while the other has the file.
func TestSaveThatWaits(t *testing.T) {
	l := open(t, filepath.Join(t.TempDir(), "ledger"))
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for range 100 {
		go func() { _ = l.Save(ctx, nil) }()
	}
	saveMany(t, l, "a", 1, time.Now().Add(time.Hour))
	require.Len(t, keys(t, l), 1)
}
