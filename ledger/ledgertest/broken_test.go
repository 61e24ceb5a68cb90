package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/ledger"
)

// TestWhole runs all cases as TestBroken does, on a store that keeps its
// promises.
func TestWhole(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			result := runBroken(t, c.name, &broken{})
			require.Empty(t, result.failures)
			require.Empty(t, result.skipped)
		})
	}
}

// TestSkipped runs the cases that need what the Backend does not set.
func TestSkipped(t *testing.T) {
	for _, name := range []string{"Reopen", "Other", "Break"} {
		result := runCaseOf(name, func() Backend { return Backend{Store: ledger.NewMemory()} })
		require.Equal(t, "the Backend does not set "+name, result.skipped)
	}
	require.Equal(t, []string{"ledgertest: Backend.Store is nil"}, runCaseOf("Empty", func() Backend { return Backend{} }).failures)
}

// TestBroken runs the cases on stores that break what they check.
func TestBroken(t *testing.T) {
	for _, c := range []struct {
		bug    string
		broken broken
		caught map[string]string // the failures, by the name of the case
	}{
		{
			"saves the first record alone",
			broken{save: func(s *store, ctx context.Context, records []ledger.Record) error {
				return s.Memory.Save(ctx, records[:min(len(records), 1)])
			}},
			map[string]string{"Records": "does not yield the record", "Reopen": "does not yield the record", "Many": "does not yield"},
		},
		{
			"refuses what it has",
			broken{save: func(s *store, ctx context.Context, records []ledger.Record) error {
				for _, r := range records {
					if s.has(r.Key) {
						return errors.New("duplicate key")
					}
				}
				return s.Memory.Save(ctx, records)
			}},
			map[string]string{"Repeats": "Save of 1 records: duplicate key"},
		},
		{
			"keeps what it is given",
			broken{
				save: func(s *store, ctx context.Context, records []ledger.Record) error {
					s.kept = append(s.kept, records...)
					return nil
				},
				load: func(s *store, ctx context.Context, yield func(ledger.Record) error) error { return each(s.kept, yield) },
			},
			map[string]string{"Buffers": "Load yields"},
		},
		{
			"yields what has expired",
			broken{
				save: func(s *store, ctx context.Context, records []ledger.Record) error {
					s.kept = append(s.kept, records...)
					return nil
				},
				load: func(s *store, ctx context.Context, yield func(ledger.Record) error) error { return each(s.kept, yield) },
			},
			map[string]string{"Expired": `the key "expired"`, "Expiring": "has expired"},
		},
		{
			"removes a minute too early",
			broken{load: func(s *store, ctx context.Context, yield func(ledger.Record) error) error {
				return s.Memory.Load(ctx, func(r ledger.Record) error {
					if time.Until(r.Expires) < time.Minute {
						return nil
					}
					return yield(r)
				})
			}},
			map[string]string{"Expiring": "does not yield a record that expires in 1s"},
		},
		{
			"rounds down",
			broken{load: func(s *store, ctx context.Context, yield func(ledger.Record) error) error {
				return s.Memory.Load(ctx, func(r ledger.Record) error {
					r.Expires = r.Expires.Add(-time.Millisecond)
					return yield(r)
				})
			}},
			map[string]string{"Records": "Load yields"},
		},
		{
			"has text",
			broken{load: func(s *store, ctx context.Context, yield func(ledger.Record) error) error {
				return s.Memory.Load(ctx, func(r ledger.Record) error {
					r.Value = []byte(strings.ToValidUTF8(string(r.Value), "?"))
					return yield(r)
				})
			}},
			map[string]string{"Records": "Load yields"},
		},
		{
			"has keys in lower case",
			broken{save: func(s *store, ctx context.Context, records []ledger.Record) error {
				records = slices.Clone(records)
				for i := range records {
					records[i].Key = strings.ToLower(records[i].Key)
				}
				return s.Memory.Save(ctx, records)
			}},
			map[string]string{"Records": `the key "A"`},
		},
		{
			"goes on after an error of yield",
			broken{load: func(s *store, ctx context.Context, yield func(ledger.Record) error) error {
				return s.Memory.Load(ctx, func(r ledger.Record) error {
					_ = yield(r)
					return nil
				})
			}},
			map[string]string{"YieldFails": "want the error of yield"},
		},
		{
			"ignores its context",
			broken{save: func(s *store, _ context.Context, records []ledger.Record) error {
				return s.Memory.Save(context.Background(), records)
			}},
			map[string]string{"Context": "Save returns no error, but its context has ended"},
		},
		{
			"ignores the context of Load",
			broken{load: func(s *store, _ context.Context, yield func(ledger.Record) error) error {
				return s.Memory.Load(context.Background(), yield)
			}},
			map[string]string{"Context": "Load returns no error, but its context has ended"},
		},
		{
			"loses the last record when it closes",
			broken{reopen: func(s *store) {
				for key := range s.all() {
					s.forget(key)
					return
				}
			}},
			map[string]string{"Reopen": "does not yield the record"},
		},
		{
			"shares its records",
			broken{other: func(s *store) ledger.Store { return s }},
			map[string]string{"Other": "which it should not"},
		},
		{
			"says that it has saved",
			broken{breaks: func(s *store) {}},
			map[string]string{"Break": "of a broken store returns no error"},
		},
		{
			"hangs",
			broken{breaks: func(s *store) { s.hangs = make(chan struct{}) }},
			map[string]string{"Break": "does not return when its context ends"},
		},
		{
			"drops one of 1,000",
			broken{save: func(s *store, ctx context.Context, records []ledger.Record) error {
				return s.Memory.Save(ctx, records[:min(len(records), 999)])
			}},
			map[string]string{"Many": "does not yield the record"},
		},
		{
			"pages while it changes",
			broken{load: func(s *store, ctx context.Context, yield func(ledger.Record) error) error {
				records := slices.Collect(func(yield func(ledger.Record) bool) {
					for _, r := range s.all() {
						if !yield(r) {
							return
						}
					}
				})
				if len(records) > 500 { // others were saved meanwhile
					records = records[1:]
				}
				return each(records, yield)
			}},
			map[string]string{"Concurrent": "Load yields 899 records, want 900"},
		},
		{
			"saves in the background",
			broken{save: func(s *store, ctx context.Context, records []ledger.Record) error {
				records = slices.Clone(records)
				go func() {
					time.Sleep(time.Second)
					_ = s.Memory.Save(context.Background(), records)
				}()
				return nil
			}},
			map[string]string{"Records": "does not yield the record"},
		},
	} {
		t.Run(c.bug, func(t *testing.T) {
			for name, want := range c.caught {
				result := runBroken(t, name, &c.broken)
				require.Contains(t, strings.Join(result.failures, "\n"), want, name)
			}
		})
	}
}

// broken is what a store does in place of what it should. A nil field does the
// right thing.
type broken struct {
	save   func(s *store, ctx context.Context, records []ledger.Record) error
	load   func(s *store, ctx context.Context, yield func(ledger.Record) error) error
	reopen func(s *store)
	other  func(s *store) ledger.Store
	breaks func(s *store)
}

// store is a Memory with bugs.
type store struct {
	*ledger.Memory
	bug *broken

	mu    sync.Mutex
	kept  []ledger.Record
	fails bool
	hangs chan struct{}
}

func (s *store) Save(ctx context.Context, records []ledger.Record) error {
	if err := s.fault(); err != nil {
		return err
	}
	if s.bug.save != nil {
		return s.bug.save(s, ctx, records)
	}
	return s.Memory.Save(ctx, records)
}

func (s *store) Load(ctx context.Context, yield func(ledger.Record) error) error {
	if err := s.fault(); err != nil {
		return err
	}
	if s.bug.load != nil {
		return s.bug.load(s, ctx, yield)
	}
	return s.Memory.Load(ctx, yield)
}

func (s *store) fault() error {
	s.mu.Lock()
	fails, hangs := s.fails, s.hangs
	s.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	if fails {
		return errors.New("broken")
	}
	return nil
}

func (s *store) all() map[string]ledger.Record {
	all := make(map[string]ledger.Record)
	_ = s.Memory.Load(context.Background(), func(r ledger.Record) error {
		all[r.Key] = r
		return nil
	})
	return all
}

func (s *store) has(key string) bool {
	_, in := s.all()[key]
	return in
}

func (s *store) forget(key string) {
	all := s.all()
	delete(all, key)
	s.Memory = ledger.NewMemory()
	for _, r := range all {
		_ = s.Memory.Save(context.Background(), []ledger.Record{r})
	}
}

func each(records []ledger.Record, yield func(ledger.Record) error) error {
	for _, r := range records {
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

// runBroken runs a case in virtual time on a store with a bug.
func runBroken(t *testing.T, name string, bug *broken) (result *recorder) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &store{Memory: ledger.NewMemory(), bug: bug}
		result = runCaseOf(name, func() Backend {
			b := Backend{Store: s, Other: ledger.NewMemory(), Timeout: 2 * time.Second}
			b.Reopen = func() ledger.Store {
				if bug.reopen != nil {
					bug.reopen(s)
				}
				return s
			}
			if bug.other != nil {
				b.Other = bug.other(s)
			}
			b.Break = func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				if bug.breaks != nil {
					bug.breaks(s)
					return
				}
				s.fails = true
			}
			return b
		})
		if s.hangs != nil {
			close(s.hangs)
		}
		time.Sleep(5 * time.Second) // what goes on in the background
	})
	return result
}

// runCaseOf runs a case and records what it reports.
func runCaseOf(name string, start func() Backend) *recorder {
	c := cases[slices.IndexFunc(cases, func(c testCase) bool { return c.name == name })]
	r := new(recorder)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runCase(r, c, start)
	}()
	<-ended
	return r
}

// recorder is a testing.TB that records.
type recorder struct {
	testing.TB
	failures []string
	skipped  string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
