package persist

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	hubledger "github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/ledger"
)

// What was put is stored when Wait returns, and the same entry once.
func TestPutAndWait(t *testing.T) {
	s := newStore()
	w, log := newWriter(s)

	require.NoError(t, w.Put(revoked(0, 2)).Wait(t.Context()))
	require.NoError(t, w.Flush(t.Context()))

	require.Equal(t, []string{"s0", "s1"}, s.stored(t))
	require.Equal(t, []int{2}, s.calls())
	require.Empty(t, log.String())
}

// Nothing is put, or there is no store.
func TestNothingToStore(t *testing.T) {
	s := newStore()
	w, _ := newWriter(s)
	for _, w := range []*Writer{w, nil, NewWriter(nil, nil, nil)} {
		require.NoError(t, w.Put(nil).Wait(t.Context()))
		require.NoError(t, w.Put(nil).WaitForAll(t.Context()))
		require.NoError(t, w.Flush(t.Context()))
		w.Close()
	}
	require.NoError(t, (*Writer)(nil).Put(revoked(0, 1)).Wait(t.Context()))
	require.Empty(t, s.calls())
}

// While the store is busy, entries wait, and are saved together after that.
func TestEntriesAreSavedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.deaf = make(chan struct{})
		w, _ := newWriter(s)
		var done sync.WaitGroup
		for i := range 2 * maxBatch {
			pending := w.Put(revoked(i, 1))
			synctest.Wait() // the first is on its way
			done.Go(func() { require.NoError(t, pending.Wait(t.Context())) })
		}
		close(s.deaf)
		done.Wait()
		require.Equal(t, []int{1, maxBatch, maxBatch - 1}, s.calls())
		require.Equal(t, 2*maxBatch, len(s.stored(t)))
	})
}

// A store that fails is tried again until it works. The log says so once, and
// that it works again.
func TestStoreThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.err = errDown
		w, log := newWriter(s)

		err := w.Put(revoked(0, 1)).Wait(t.Context())
		require.ErrorIs(t, err, ErrNotStored)
		require.ErrorIs(t, err, errDown)
		require.EqualError(t, err, "the change is not stored in the ledger: the store is down")
		start := time.Now()
		require.ErrorIs(t, w.Put(revoked(1, 1)).Wait(t.Context()), ErrNotStored)
		require.Zero(t, time.Since(start), "the second is tried at once")
		require.ErrorIs(t, w.Flush(t.Context()), errDown)
		time.Sleep(10*retryTime + retryTime/2)
		require.Len(t, s.calls(), 12)
		require.Empty(t, s.stored(t))
		require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log)
		require.Contains(t, log.String(), "Options.Ledger cannot store")
		require.Contains(t, log.String(), "the store is down")

		s.set(func(s *store) { s.err = nil })
		time.Sleep(retryTime)
		require.Equal(t, []string{"s0", "s1"}, s.stored(t))
		require.NoError(t, w.Flush(t.Context()))
		require.Contains(t, log.String(), "level=INFO msg=\"mojo: Options.Ledger stores again")
		require.NoError(t, w.Put(revoked(2, 1)).Wait(t.Context()))
	})
}

// A store that panics fails.
func TestStoreThatPanics(t *testing.T) {
	w, log := newWriter(panicking{})

	err := w.Put(revoked(0, 1)).Wait(t.Context())

	require.ErrorIs(t, err, ErrNotStored)
	require.ErrorContains(t, err, "panic: a bug")
	w.Close()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "a bug") }, 10*time.Second, time.Millisecond)
	_, err = Load(t.Context(), panicking{}, nil)
	require.ErrorContains(t, err, "panic: a bug")
}

type panicking struct{}

func (panicking) Save(context.Context, []ledger.Record) error           { panic("a bug") }
func (panicking) Load(context.Context, func(ledger.Record) error) error { panic("a bug") }

// Wait returns after two seconds, or when the context ends, if the store does
// not answer, even if the store ignores its context. The log says so.
func TestStoreThatHangs(t *testing.T) {
	for name, hang := range map[string]func(s *store){
		"until its context ends": func(s *store) { s.hangs = true },
		"for ever":               func(s *store) { s.deaf = make(chan struct{}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.set(hang)
				w, log := newWriter(s)
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				start := time.Now()

				err := w.Put(revoked(0, 1)).Wait(ctx)
				require.ErrorIs(t, err, ErrNotStored)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 100*time.Millisecond, time.Since(start))
				require.Empty(t, log.String(), "somebody was impatient")

				start = time.Now()
				pending := w.Put(revoked(1, 1))
				time.Sleep(WaitTime / 2)
				require.EqualError(t, pending.WaitForAll(t.Context()), "the change is not stored in the ledger: no answer for 2s")
				require.Equal(t, WaitTime, time.Since(start))
				require.Contains(t, log.String(), "no answer for 2s")

				deaf := s.deaf
				s.set(func(s *store) { s.hangs, s.deaf = false, nil })
				if deaf != nil {
					close(deaf)
				}
				time.Sleep(saveTime + retryTime)
				require.Equal(t, []string{"s0", "s1"}, s.stored(t))
			})
		})
	}
}

// After Close what has failed is not tried again, and what is put later is tried
// once.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.err = errDown
		w, _ := newWriter(s)
		require.Error(t, w.Put(revoked(0, 1)).Wait(t.Context()))

		w.Close()
		w.Close()

		synctest.Wait()
		calls := len(s.calls())
		time.Sleep(time.Minute)
		require.Len(t, s.calls(), calls)
		require.ErrorIs(t, w.Put(revoked(1, 1)).Wait(t.Context()), errDown)
		require.Len(t, s.calls(), calls+1)
		s.set(func(s *store) { s.err = nil })
		require.NoError(t, w.Put(revoked(2, 1)).Wait(t.Context()))
		require.Equal(t, []string{"s0", "s1", "s2"}, s.stored(t))
	})
}

// The number of entries that wait is bounded: the earliest are given up.
func TestEntriesThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.deaf = make(chan struct{})
		w, _ := newWriter(s)
		cutOff := revoked(maxWaiting+1, 1)[0] // a Load keeps 65,536 of each kind
		cutOff.Kind = hubledger.CutOff
		first := w.Put(revoked(0, 1))
		synctest.Wait() // it is on its way
		second := w.Put(revoked(1, 1))
		last := w.Put(append(revoked(2, maxWaiting-1), cutOff))

		require.ErrorContains(t, second.Wait(t.Context()), "too many changes wait to be stored")
		close(s.deaf)
		require.NoError(t, last.Wait(t.Context()))
		require.ErrorIs(t, first.Wait(t.Context()), ErrNotStored) // though it was stored
		stored := s.stored(t)
		require.Equal(t, []string{"s0", "s2"}, stored[:2])
		require.Equal(t, maxWaiting+1, len(stored))
	})
}

// An entry whose record would be too large is not stored, and does not keep
// others from being stored.
func TestEntryThatIsTooLarge(t *testing.T) {
	s := newStore()
	w, log := newWriter(s)
	entries := revoked(0, 2)
	entries[0].ID = strings.Repeat("x", ledger.MaxValue)

	pending := w.Put(entries)
	require.ErrorContains(t, pending.Wait(t.Context()), "its ids have more than 8192 bytes")
	require.NoError(t, w.Flush(t.Context()))

	require.Equal(t, []string{"s1"}, s.stored(t))
	require.Contains(t, log.String(), "8192")
	require.NotContains(t, log.String(), "xxx")
}

// The expiry of a record is that of the entry, or 400 days.
func TestExpiryOfRecords(t *testing.T) {
	now := time.Now().UTC()
	e := hubledger.Entry{Kind: hubledger.Revoked, ID: "s", At: command.Clock{Time: now.UnixNano()}, Until: now.Add(time.Hour)}
	r, err := recordOf(e)
	require.NoError(t, err)
	require.Equal(t, e.Until, r.Expires)
	e.Until = time.Time{}
	r, err = recordOf(e)
	require.NoError(t, err)
	require.WithinDuration(t, now.Add(400*24*time.Hour), r.Expires, time.Second)
	again, err := recordOf(e)
	require.NoError(t, err)
	require.Equal(t, r, again)
	require.LessOrEqual(t, len(r.Key), ledger.MaxKey)
}
