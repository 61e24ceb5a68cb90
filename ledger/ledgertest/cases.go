package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mojosocket/mojo/ledger"
)

// record returns a record that does not expire during a test.
func record(key string, value ...byte) ledger.Record {
	return ledger.Record{Key: key, Value: value, Expires: time.Now().Add(time.Hour)}
}

// numbered returns n different records.
func numbered(prefix string, n int) (records []ledger.Record) {
	for i := range n {
		records = append(records, record(fmt.Sprintf("%s-%d", prefix, i), fmt.Appendf(nil, "value %d", i)...))
	}
	return records
}

// testEmpty loads from a store without records, and saves none.
func testEmpty(r *run) {
	r.requireLoaded(r.Store)
	r.save()
	r.requireLoaded(r.Store)
}

// testRecords saves the shortest and longest records, and any bytes.
func testRecords(r *run) {
	var all, largest []byte
	for i := range 256 {
		all = append(all, byte(i))
	}
	for len(largest) < ledger.MaxValue {
		largest = append(largest, all...)
	}
	records := []ledger.Record{
		record("-", 0), record("_", '\n'), record("a", 'x'), record("A", 'y'), record("0", 0xff),
		record(strings.Repeat("k", ledger.MaxKey), all...), record("largest", largest[:ledger.MaxValue]...),
		{Key: "late", Value: []byte("in 400 days"), Expires: time.Now().Add(400 * 24 * time.Hour)},
	}
	r.save(records[:3]...)
	r.requireLoaded(r.Store, records[:3]...)
	r.save(records[3:]...)
	r.requireLoaded(r.Store, records...)
}

// testRepeats saves records again, alone and together with others.
func testRepeats(r *run) {
	records := numbered("repeat", 3)
	r.save(records[:2]...)
	r.save(records[0])
	r.save(records[1], records[2], records[1])
	r.requireLoaded(r.Store, records...)
}

// testExpired saves records that have expired already.
func testExpired(r *run) {
	expired := record("expired", 1)
	expired.Expires = time.Now().Add(-2 * time.Second)
	ancient := record("ancient", 2)
	ancient.Expires = time.Unix(1, 0)
	valid := record("valid", 3)
	r.save(expired, valid, ancient)
	r.requireLoaded(r.Store, valid)
}

// testExpiring waits until a record expires, and does not lose others with it.
func testExpiring(r *run) {
	expiring, valid := record("expiring", 1), record("valid", 2)
	expiring.Expires = time.Now().Add(time.Second)
	r.save(expiring, valid)
	limit := time.Now().Add(r.Timeout)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		before := time.Now()
		_, in := r.load(r.Store)[expiring.Key]
		if !in {
			if time.Now().Before(expiring.Expires) {
				r.tb.Errorf("Load does not yield a record that expires in %v", time.Until(expiring.Expires))
			}
			break
		}
		if before.After(limit) {
			r.tb.Fatalf("Load yields a record that has expired %v before", before.Sub(expiring.Expires))
		}
		<-ticker.C
	}
	r.save(record("later", 3)) // may remove what has expired
	loaded := r.load(r.Store)
	if _, in := loaded[valid.Key]; !in || len(loaded) != 2 {
		r.tb.Errorf("Load yields %d records after one of three has expired, want the 2 others", len(loaded))
	}
}

// testMany saves more records than are stored at once.
func testMany(r *run) {
	records := numbered("many", 20_000)
	for part := range slices.Chunk(records, 1000) {
		r.save(part...)
	}
	r.requireLoaded(r.Store, records...)
}

// testBuffers changes what Save was given and what Load has yielded.
func testBuffers(r *run) {
	want := numbered("buffer", 10)
	given := numbered("buffer", 10)
	for i := range given {
		given[i].Expires = want[i].Expires
	}
	r.save(given...)
	for i := range given {
		for j := range given[i].Value {
			given[i].Value[j] = 'x'
		}
		given[i].Key = "changed"
	}
	for _, loaded := range r.load(r.Store) {
		for j := range loaded.Value {
			loaded.Value[j] = 'y'
		}
	}
	r.requireLoaded(r.Store, want...)
}

// testYieldFails ends a Load by an error.
func testYieldFails(r *run) {
	r.save(numbered("fail", 100)...)
	failure := errors.New("no more")
	calls := 0
	ctx, cancel := r.context()
	defer cancel()
	err := r.Store.Load(ctx, func(ledger.Record) error {
		if calls++; calls == 3 {
			return failure
		}
		return nil
	})
	if !errors.Is(err, failure) {
		r.tb.Errorf("Load returns %v, want the error of yield", err)
	}
	if calls != 3 {
		r.tb.Errorf("Load calls yield %d times, want 3: it has returned an error", calls)
	}
}

// testContext calls the methods with a context that has ended.
func testContext(r *run) {
	r.save(record("before", 1))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Store.Save(ctx, []ledger.Record{record("canceled", 1)}); err == nil {
		r.tb.Errorf("Save returns no error, but its context has ended")
	}
	if err := r.Store.Load(ctx, func(ledger.Record) error { return nil }); err == nil {
		r.tb.Errorf("Load returns no error, but its context has ended")
	}
	after := record("after", 1)
	r.save(after)
	if _, in := r.load(r.Store)[after.Key]; !in {
		r.tb.Errorf("Load does not yield a record that was saved after a Save whose context had ended")
	}
}

// testConcurrent saves in several goroutines while others load. A Load yields
// everything that was saved before it began.
func testConcurrent(r *run) {
	const savers, each = 8, 50
	ctx, cancel := r.context()
	defer cancel()
	before := numbered("before", 500)
	r.save(before...)
	errs := make(chan error, 2*savers)
	var done sync.WaitGroup
	for i := range savers {
		done.Go(func() {
			for j := range each {
				if err := r.Store.Save(ctx, []ledger.Record{record(fmt.Sprintf("saver%d-%d", i, j), byte(i))}); err != nil {
					errs <- fmt.Errorf("Save: %w", err)
					return
				}
			}
		})
		done.Go(func() {
			loaded := make(map[string]bool)
			err := r.Store.Load(ctx, func(record ledger.Record) error {
				loaded[record.Key] = true
				return nil
			})
			if err != nil {
				errs <- fmt.Errorf("Load: %w", err)
				return
			}
			for _, want := range before {
				if !loaded[want.Key] {
					errs <- fmt.Errorf("Load does not yield %q, which was saved before", want.Key)
					return
				}
			}
		})
	}
	done.Wait()
	close(errs)
	for err := range errs {
		r.tb.Errorf("in several goroutines: %v", err)
	}
	if loaded := r.load(r.Store); len(loaded) != len(before)+savers*each {
		r.tb.Errorf("Load yields %d records, want %d", len(loaded), len(before)+savers*each)
	}
}

// testReopen loads in the next process, which saves more.
func testReopen(r *run) {
	records := numbered("process", 100)
	expired := record("expired", 1)
	expired.Expires = time.Now().Add(-2 * time.Second)
	r.save(append(records[:50:50], expired)...)
	r.Store = r.Reopen()
	r.requireLoaded(r.Store, records[:50]...)
	r.save(records[40:]...)
	r.Store = r.Reopen()
	r.requireLoaded(r.Store, records...)
}

// testOther saves in two stores under the same keys.
func testOther(r *run) {
	here, there := numbered("shared", 5), numbered("shared", 10)[5:]
	r.save(here...)
	ctx, cancel := r.context()
	defer cancel()
	if err := r.Other.Save(ctx, there); err != nil {
		r.tb.Fatalf("Save in Other: %v", err)
	}
	r.requireLoaded(r.Store, here...)
	r.requireLoaded(r.Other, there...)
}

// testBreak calls the methods of a store that is broken. They return when their
// context ends, at the latest.
func testBreak(r *run) {
	r.save(record("before", 1))
	r.Break()
	for name, call := range map[string]func(ctx context.Context) error{
		"Save": func(ctx context.Context) error { return r.Store.Save(ctx, []ledger.Record{record("after", 1)}) },
		"Load": func(ctx context.Context) error { return r.Store.Load(ctx, func(ledger.Record) error { return nil }) },
	} {
		const limit = 500 * time.Millisecond
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		result := make(chan error, 1)
		go func() { result <- call(ctx) }()
		timer := time.NewTimer(limit + r.Timeout)
		select {
		case err := <-result:
			if err == nil {
				r.tb.Errorf("%s of a broken store returns no error", name)
			}
		case <-timer.C:
			r.tb.Errorf("%s of a broken store does not return when its context ends", name)
		}
		timer.Stop()
		cancel()
	}
}
