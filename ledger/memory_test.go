package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/ledger"
	"github.com/mojosocket/mojo/ledger/ledgertest"
)

func TestMemory(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) ledgertest.Backend {
		store := ledger.NewMemory()
		return ledgertest.Backend{Store: store, Other: ledger.NewMemory(), Reopen: func() ledger.Store { return store }}
	})
}

// A Memory has a bound: records that have expired make room first.
func TestMemoryIsBounded(t *testing.T) {
	store, now := ledger.NewMemory(), time.Now()
	save := func(prefix string, n int, expires time.Time) {
		records := make([]ledger.Record, n)
		for i := range records {
			records[i] = ledger.Record{Key: fmt.Sprintf("%s-%d", prefix, i), Value: []byte{1}, Expires: expires}
		}
		require.NoError(t, store.Save(t.Context(), records))
	}
	count := func() (n int) {
		require.NoError(t, store.Load(t.Context(), func(ledger.Record) error {
			n++
			return nil
		}))
		return n
	}

	save("expired", 100, now)
	save("valid", ledger.MaxRecords, now.Add(time.Hour))
	require.Equal(t, ledger.MaxRecords, count())
	save("more", 10, now.Add(time.Hour))
	require.Equal(t, ledger.MaxRecords, count())
}
