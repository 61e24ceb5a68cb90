package persist

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	hubledger "github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/ledger"
)

// Broken records are left out, and logged once together, without their values.
func TestBrokenRecords(t *testing.T) {
	s, expires := newStore(), time.Now().Add(time.Hour)
	w, log := newWriter(s)
	require.NoError(t, w.Put(revoked(0, 1)).Wait(t.Context()))
	changed, err := recordOf(revoked(7, 1)[0])
	require.NoError(t, err)
	changed.Value[10] ^= 1
	for _, r := range []ledger.Record{
		{Key: strings.Repeat("longer", 50), Value: []byte("secret"), Expires: expires},
		{Key: keyOf([]byte{1}), Value: []byte{1}, Expires: expires},
		{Key: keyOf([]byte{77, 1}), Value: []byte{77, 1}, Expires: expires},
		{Key: keyOf(nil), Value: nil, Expires: expires},
		changed,
	} {
		require.NoError(t, s.Save(t.Context(), []ledger.Record{r}))
	}

	entries, err := Load(t.Context(), s, w.log)

	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, "s0", entries[0].ID)
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
	require.Contains(t, log.String(), "records=5")
	require.NotContains(t, log.String(), "secret")
	require.Less(t, len(log.String()), 1000)
}

// A store may not know that a record has expired, if its clock is another one.
func TestExpiredEntries(t *testing.T) {
	s := newStore()
	r, err := recordOf(hubledger.Entry{Kind: hubledger.Revoked, ID: "s", At: command.Clock{Time: 1}, Until: time.Now().Add(-time.Second)})
	require.NoError(t, err)
	r.Expires = time.Now().Add(time.Hour)
	require.NoError(t, s.Save(t.Context(), []ledger.Record{r}))

	require.Empty(t, s.stored(t))
}

// Entries are merged in the order of their clocks, and of too many the latest.
func TestTooManyEntries(t *testing.T) {
	const n = ledger.MaxRecords + 100
	l := &loading{now: time.Now()}
	for _, i := range rand.Perm(n) {
		l.keep(hubledger.Entry{Kind: hubledger.Kind(1 + i%2), ID: "s", At: command.Clock{Time: int64(i + 1)}})
	}
	require.Less(t, len(l.entries), ledger.MaxRecords)
	l.keepLatest()

	require.Equal(t, 2*hubledger.MaxEntries, len(l.entries))
	for i := range l.entries {
		if want := int64(n - 2*hubledger.MaxEntries + i + 1); l.entries[i].At.Time != want {
			require.Equal(t, want, l.entries[i].At.Time)
		}
	}
}

// The error of a store, and a store that does not answer, even if it ignores
// its context.
func TestLoadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.err = errDown
		_, err := Load(t.Context(), s, slog.New(slog.DiscardHandler))
		require.ErrorIs(t, err, errDown)

		s.err, s.deaf = nil, make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = Load(ctx, s, slog.New(slog.DiscardHandler))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(s.deaf)
	})
}

// FuzzLoad loads what anybody may have written into a store.
func FuzzLoad(f *testing.F) {
	r, _ := recordOf(hubledger.Entry{Kind: hubledger.GivenUp, ID: "s", At: command.Clock{Time: 1}})
	f.Add(r.Key, r.Value)
	f.Add("key", []byte{1})
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		store := ledger.NewMemory()
		for _, key := range []string{key, keyOf(value)} {
			require.NoError(t, store.Save(t.Context(), []ledger.Record{{Key: key, Value: value, Expires: time.Now().Add(time.Hour)}}))
		}
		entries, err := Load(t.Context(), store, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		for _, e := range entries {
			_, err := recordOf(e)
			require.True(t, err == nil || len(value) > ledger.MaxValue-100)
		}
	})
}
