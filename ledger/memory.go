package ledger

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// Memory is a Store in the memory of the process, for tests: another Server that
// is made with it knows what the first one knew. It ends with the process. Make
// it with NewMemory. It is safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	records map[string]Record // by key; guarded by mu
}

// NewMemory returns a Memory without records.
func NewMemory() *Memory { return &Memory{records: make(map[string]Record)} }

// Save implements Store.
func (m *Memory) Save(ctx context.Context, records []Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		r.Value = bytes.Clone(r.Value)
		m.records[r.Key] = r
	}
	if len(m.records) > MaxRecords {
		m.removeLocked()
	}
	return nil
}

// removeLocked removes the records that have expired and, if there are too many
// others, any of these.
func (m *Memory) removeLocked() {
	now := time.Now()
	for key, r := range m.records {
		if !now.Before(r.Expires) {
			delete(m.records, key)
		}
	}
	for key := range m.records {
		if len(m.records) <= MaxRecords {
			return
		}
		delete(m.records, key)
	}
}

// Load implements Store.
func (m *Memory) Load(ctx context.Context, yield func(Record) error) error {
	now := time.Now()
	for _, r := range m.all() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !now.Before(r.Expires) {
			continue
		}
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

func (m *Memory) all() []Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Record, 0, len(m.records))
	for _, r := range m.records {
		r.Value = bytes.Clone(r.Value)
		all = append(all, r)
	}
	return all
}
