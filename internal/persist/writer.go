package persist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	hubledger "github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/internal/warn"
	"github.com/mojosocket/mojo/ledger"
)

var (
	errSlow    = fmt.Errorf("no answer for %v", WaitTime)
	errTooMany = errors.New("too many changes wait to be stored")
)

// The times of a Writer.
const (
	// WaitTime is how long Wait waits.
	WaitTime = 2 * time.Second
	// saveTime is how long the store may take to save.
	saveTime = 5 * time.Second
	// retryTime is how long the Writer waits after an error.
	retryTime = time.Second
)

// The bounds of a Writer.
const (
	maxBatch   = 1 << 10 // records that are saved at once
	maxWaiting = 1 << 16 // records that are not stored yet
)

// Writer saves entries in a store, in the order in which they were put. It
// saves all that wait at once, in one goroutine that ends when none waits. What
// cannot be saved stays, and is tried again a little later. The methods do
// nothing on a nil Writer. They are safe for concurrent use.
type Writer struct {
	store ledger.Store
	log   *slog.Logger
	warn  *warn.Log
	wake  chan struct{} // has a value when something was put, or after Close

	mu sync.Mutex
	writerByMu
}

// writerByMu is guarded by Writer.mu. Records are numbered from 1 in the order
// in which they were put.
type writerByMu struct {
	waiting []ledger.Record // the latest that were put
	last    uint64          // of the latest record
	lost    uint64          // of the latest record that was removed without being stored
	tried   uint64          // of the latest record that could not be saved
	err     error           // why
	changed chan struct{}   // closed after each attempt; nil: nobody waits for it
	running bool            // the goroutine runs
	failing bool            // the latest attempt has failed
	closed  bool
}

// NewWriter returns a Writer. The store may be nil: the result is, too.
func NewWriter(store ledger.Store, log *slog.Logger, warn *warn.Log) *Writer {
	if store == nil {
		return nil
	}
	return &Writer{store: store, log: log, warn: warn, wake: make(chan struct{}, 1)}
}

// Put makes the Writer save entries. It does not wait for that.
func (w *Writer) Put(entries []hubledger.Entry) Pending {
	if w == nil || len(entries) == 0 {
		return Pending{}
	}
	p := Pending{writer: w, deadline: time.Now().Add(WaitTime)}
	records := make([]ledger.Record, 0, len(entries))
	for _, e := range entries {
		r, err := recordOf(e)
		if err != nil {
			p.err = err
			w.warnOf(err)
			continue
		}
		records = append(records, r)
	}
	p.through = w.put(records)
	return p
}

func (w *Writer) put(records []ledger.Record) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, records...)
	w.last += uint64(len(records))
	if n := len(w.waiting) - maxWaiting; n > 0 {
		w.removeLocked(w.last - maxWaiting)
		w.lost = w.last - maxWaiting
		w.err = errTooMany
	}
	switch {
	case len(w.waiting) == 0:
	case !w.running:
		w.running = true
		go w.run()
	default:
		w.wakeUp()
	}
	return w.last
}

func (w *Writer) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// storedLocked returns the number of the latest record that does not wait.
func (w *writerByMu) storedLocked() uint64 { return w.last - uint64(len(w.waiting)) }

// removeLocked removes the records up to a number.
func (w *writerByMu) removeLocked(through uint64) {
	if stored := w.storedLocked(); through > stored {
		w.waiting = w.waiting[through-stored:]
	}
	if len(w.waiting) == 0 {
		w.waiting = nil
	}
}

// Flush is Pending.Wait for all entries that were put.
func (w *Writer) Flush(ctx context.Context) error {
	if w == nil {
		return nil
	}
	return Pending{writer: w, deadline: time.Now().Add(WaitTime)}.WaitForAll(ctx)
}

func (w *Writer) latest() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// state reports whether the records up to a number are stored or have failed.
// If neither, the channel is closed when that may have changed.
func (w *Writer) state(through uint64) (done bool, changed <-chan struct{}, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case through == 0:
		return true, nil, nil
	case through <= w.lost, through > w.storedLocked() && through <= w.tried:
		return true, nil, &NotStoredError{w.err}
	case through <= w.storedLocked():
		return true, nil, nil
	}
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return false, w.changed, nil
}

// Close ends the attempts to save what could not be saved. What is put later is
// tried once.
func (w *Writer) Close() {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.wakeUp()
}

// run saves records until none waits.
func (w *Writer) run() {
	for {
		batch, through := w.next()
		if len(batch) == 0 {
			return
		}
		err := w.save(batch)
		ended := w.finish(through, err)
		if ended {
			return
		}
		if err != nil {
			w.pause()
		}
	}
}

// next returns the records to be saved next, and the number of the last one.
// Without records the goroutine has to end.
func (w *Writer) next() (batch []ledger.Record, through uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.waiting), maxBatch)
	w.running = n > 0
	return w.waiting[:n:n], w.storedLocked() + uint64(n)
}

// save calls the store. A store that does not answer is logged while it has not
// returned.
func (w *Writer) save(batch []ledger.Record) error {
	ctx, cancel := context.WithTimeout(context.Background(), saveTime)
	defer cancel()
	slow := time.AfterFunc(WaitTime, func() { w.warnOf(errSlow) })
	defer slow.Stop()
	return guard(func() error { return w.store.Save(ctx, batch) })
}

func (w *Writer) warnOf(err error) {
	w.warn.Warn("ledger", "mojo: Options.Ledger cannot store sessions that were given up or revoked; until it can, a restart forgets them",
		"error", err)
}

// finish notes the result of an attempt. It reports whether the goroutine has
// to end.
func (w *Writer) finish(through uint64, err error) (ended bool) {
	recovered := false
	defer func() { // without the lock
		switch {
		case err != nil:
			w.warnOf(err)
		case recovered:
			w.log.Info("mojo: Options.Ledger stores again what was given up or revoked")
		}
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
	if err == nil {
		recovered, w.failing = w.failing, false
		w.removeLocked(through)
		return false
	}
	w.failing, w.tried, w.err = true, through, err
	ended = w.closed
	w.running = !ended
	return ended
}

// pause waits a little, or until something was put.
func (w *Writer) pause() {
	timer := time.NewTimer(retryTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.wake:
	}
}
