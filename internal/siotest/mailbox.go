package siotest

import (
	"context"
	"errors"
	"sync"
)

var errMailboxClosed = errors.New("closed")

// mailbox is a queue without a limit. put never blocks, so a test need not read
// all its events. A mailbox is safe for concurrent use. The zero value is empty
// and ready to use.
type mailbox[T any] struct {
	mu     sync.Mutex // guards the fields below
	items  []T
	wake   chan struct{} // closed by the next put or close; nil if no goroutine waits
	closed bool
}

// put appends items in one step. After close it does nothing.
func (m *mailbox[T]) put(items ...T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.items = append(m.items, items...)
	m.wakeLocked()
}

// close makes further puts do nothing. Items that are in the queue can still be
// taken.
func (m *mailbox[T]) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.wakeLocked()
}

func (m *mailbox[T]) wakeLocked() {
	if m.wake != nil {
		close(m.wake)
		m.wake = nil
	}
}

// len returns the number of items.
func (m *mailbox[T]) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.items)
}

// get takes the first item. Its error is errMailboxClosed or the context's
// cause.
func (m *mailbox[T]) get(ctx context.Context) (T, error) {
	items, err := m.take(ctx, 1)
	if err != nil {
		var zero T
		return zero, err
	}
	return items[0], nil
}

// all takes all items, and waits while there is none.
func (m *mailbox[T]) all(ctx context.Context) ([]T, error) {
	return m.take(ctx, -1)
}

func (m *mailbox[T]) take(ctx context.Context, most int) ([]T, error) {
	for {
		m.mu.Lock()
		if n := len(m.items); n > 0 {
			if most >= 0 {
				n = min(n, most)
			}
			taken := m.items[:n:n]
			m.items = m.items[n:]
			m.mu.Unlock()
			return taken, nil
		}
		if m.closed {
			m.mu.Unlock()
			return nil, errMailboxClosed
		}
		if m.wake == nil {
			m.wake = make(chan struct{})
		}
		wake := m.wake
		m.mu.Unlock()

		select {
		case <-wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
