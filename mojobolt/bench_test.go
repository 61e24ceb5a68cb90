package mojobolt_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/ledger"
	"github.com/mojosocket/mojo/mojobolt"
)

// BenchmarkOpen opens and loads a file with as many records as it may have.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "ledger")
	l := open(b, path)
	saveMany(b, l, "record", ledger.MaxRecords, time.Now().Add(time.Hour))
	require.NoError(b, l.Close())
	for b.Loop() {
		l, err := mojobolt.Open(path)
		require.NoError(b, err)
		require.NoError(b, l.Load(b.Context(), func(ledger.Record) error { return nil }))
		require.NoError(b, l.Close())
	}
}

// BenchmarkRevoke revokes sessions in one and in many goroutines.
func BenchmarkRevoke(b *testing.B) {
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	require.NoError(b, err)
	for name, parallelism := range map[string]int{"one": 0, "many": 100} {
		b.Run(name, func(b *testing.B) {
			p := start(b, filepath.Join(b.TempDir(), "ledger"), cookies)
			var number atomic.Int64
			revoke := func() {
				id := time.Unix(number.Add(1), 0).String()
				if err := p.CurrentSessions().Get(id).Revoke(b.Context(), mojo.Revocation{}); err != nil {
					b.Error(err)
				}
			}
			if parallelism == 0 {
				for b.Loop() {
					revoke()
				}
				return
			}
			b.SetParallelism(parallelism)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					revoke()
				}
			})
		})
	}
}
