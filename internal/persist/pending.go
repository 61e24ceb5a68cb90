package persist

import (
	"context"
	"errors"
	"time"
)

// ErrNotStored is the error of what is not in the store.
var ErrNotStored = errors.New("the change is not stored in the ledger")

// NotStoredError is an ErrNotStored with its cause.
type NotStoredError struct{ Cause error }

func (e *NotStoredError) Error() string { return ErrNotStored.Error() + ": " + e.Cause.Error() }

// Unwrap returns ErrNotStored and the cause.
func (e *NotStoredError) Unwrap() []error { return []error{ErrNotStored, e.Cause} }

// Pending is what Writer.Put was given. The zero value is nothing.
type Pending struct {
	writer   *Writer
	through  uint64 // the number of the latest record
	deadline time.Time
	err      error // of an entry that cannot be stored at all
}

// Wait waits until the entries are stored, and those that were put before. It
// returns a NotStoredError if the store returns an error, when ctx ends, and
// when WaitTime has passed since Writer.Put.
func (p Pending) Wait(ctx context.Context) error {
	if p.writer == nil {
		return nil
	}
	if p.err != nil {
		return &NotStoredError{p.err}
	}
	timer := time.NewTimer(time.Until(p.deadline))
	defer timer.Stop()
	for {
		done, changed, err := p.writer.state(p.through)
		if done {
			return err
		}
		select {
		case <-changed:
		case <-timer.C:
			return &NotStoredError{errSlow}
		case <-ctx.Done():
			return &NotStoredError{ctx.Err()}
		}
	}
}

// WaitForAll is Wait for all entries that were put until now.
func (p Pending) WaitForAll(ctx context.Context) error {
	if p.writer != nil {
		p.through = p.writer.latest()
	}
	return p.Wait(ctx)
}
