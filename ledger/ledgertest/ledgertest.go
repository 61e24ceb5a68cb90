// Package ledgertest checks that a store keeps the promises of ledger.Store. A
// test of the store calls Run:
//
//	func TestStore(t *testing.T) {
//		ledgertest.Run(t, func(t *testing.T) ledgertest.Backend {
//			path := filepath.Join(t.TempDir(), "ledger")
//			store := open(t, path)
//			return ledgertest.Backend{
//				Store: store,
//				Reopen: func() ledger.Store {
//					store.Close()
//					store = open(t, path)
//					return store
//				},
//			}
//		})
//	}
package ledgertest

import (
	"context"
	"testing"
	"time"

	"github.com/mojosocket/mojo/ledger"
)

// Backend is a store without records, for one case. Store must be set. The cases
// that need another field are skipped if it is nil.
type Backend struct {
	Store ledger.Store

	// Reopen returns a store with the records of Store, as the next process has
	// it. Store is not used after that.
	Reopen func() ledger.Store

	// Other is a store in the same place that must not share its records with
	// Store, for instance with another prefix.
	Other ledger.Store

	// Break makes Store fail from now on: Save and Load cannot reach what they
	// need, for instance because its server hangs.
	Break func()

	// Timeout is how long a method may take, by default 10 s.
	Timeout time.Duration
}

// Run checks a store by a number of cases, each in a subtest of t. start is
// called for each with the t of that subtest.
func Run(t *testing.T, start func(t *testing.T) Backend) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { runCase(t, c, func() Backend { return start(t) }) })
	}
}

// testCase is one case.
type testCase struct {
	name  string
	needs func(*Backend) string // the field of Backend that is missing, or ""; nil: it needs none
	f     func(*run)
}

var cases = []testCase{
	{"Empty", nil, testEmpty},
	{"Records", nil, testRecords},
	{"Repeats", nil, testRepeats},
	{"Expired", nil, testExpired},
	{"Expiring", nil, testExpiring},
	{"Many", nil, testMany},
	{"Buffers", nil, testBuffers},
	{"YieldFails", nil, testYieldFails},
	{"Context", nil, testContext},
	{"Concurrent", nil, testConcurrent},
	{"Reopen", needsReopen, testReopen},
	{"Other", needsOther, testOther},
	{"Break", needsBreak, testBreak},
}

func needsReopen(b *Backend) string {
	if b.Reopen == nil {
		return "Reopen"
	}
	return ""
}

func needsOther(b *Backend) string {
	if b.Other == nil {
		return "Other"
	}
	return ""
}

func needsBreak(b *Backend) string {
	if b.Break == nil {
		return "Break"
	}
	return ""
}

func runCase(tb testing.TB, c testCase, start func() Backend) {
	tb.Helper()
	r := &run{tb: tb, Backend: start()}
	if r.Store == nil {
		tb.Fatalf("ledgertest: Backend.Store is nil")
	}
	if r.Timeout <= 0 {
		r.Timeout = 10 * time.Second
	}
	if c.needs != nil {
		if missing := c.needs(&r.Backend); missing != "" {
			tb.Skipf("the Backend does not set %s", missing)
		}
	}
	c.f(r)
}

// run is one case on one store.
type run struct {
	tb testing.TB
	Backend
}

func (r *run) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), r.Timeout)
}

// save saves records, which must succeed.
func (r *run) save(records ...ledger.Record) {
	r.tb.Helper()
	ctx, cancel := r.context()
	defer cancel()
	if err := r.Store.Save(ctx, records); err != nil {
		r.tb.Fatalf("Save of %d records: %v", len(records), err)
	}
}

// load returns what a store yields, by key. It fails the test if two records of
// one key differ.
func (r *run) load(store ledger.Store) map[string]ledger.Record {
	r.tb.Helper()
	ctx, cancel := r.context()
	defer cancel()
	loaded := make(map[string]ledger.Record)
	err := store.Load(ctx, func(record ledger.Record) error {
		if before, in := loaded[record.Key]; in && !equal(before, record) {
			r.tb.Errorf("Load yields two records with the key %q that differ", record.Key)
		}
		loaded[record.Key] = record
		return nil
	})
	if err != nil {
		r.tb.Fatalf("Load: %v", err)
	}
	return loaded
}

// requireLoaded fails the test if a store does not have exactly these records.
func (r *run) requireLoaded(store ledger.Store, records ...ledger.Record) {
	r.tb.Helper()
	loaded := r.load(store)
	for _, want := range records {
		got, in := loaded[want.Key]
		switch {
		case !in:
			r.tb.Errorf("Load does not yield the record with the key %q", want.Key)
		case !equal(want, got):
			r.tb.Errorf("Load yields %+v, want %+v", got, want)
		}
		delete(loaded, want.Key)
	}
	for key := range loaded {
		r.tb.Errorf("Load yields a record with the key %q, which it should not", key)
	}
}

// equal reports whether a record is one that was saved. The expiry may have been
// rounded up.
func equal(saved, loaded ledger.Record) bool {
	late := loaded.Expires.Sub(saved.Expires)
	return saved.Key == loaded.Key && string(saved.Value) == string(loaded.Value) && late >= 0 && late <= time.Second
}
