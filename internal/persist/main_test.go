package persist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/command"
	hubledger "github.com/mojosocket/mojo/internal/hub/ledger"
	"github.com/mojosocket/mojo/internal/warn"
	"github.com/mojosocket/mojo/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("the store is down")

// store is a Memory that can fail.
type store struct {
	*ledger.Memory
	mu    sync.Mutex
	err   error
	hangs bool // until the context ends
	deaf  chan struct{}
	saves []int // the number of records of each call
}

func newStore() *store { return &store{Memory: ledger.NewMemory()} }

func (s *store) set(change func(s *store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *store) fault(ctx context.Context, records int) error {
	s.mu.Lock()
	s.saves = append(s.saves, records)
	err, hangs, deaf := s.err, s.hangs, s.deaf
	s.mu.Unlock()
	if deaf != nil {
		<-deaf
	}
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (s *store) Save(ctx context.Context, records []ledger.Record) error {
	if err := s.fault(ctx, len(records)); err != nil {
		return err
	}
	return s.Memory.Save(ctx, records)
}

func (s *store) Load(ctx context.Context, yield func(ledger.Record) error) error {
	if err := s.fault(ctx, 0); err != nil {
		return err
	}
	return s.Memory.Load(ctx, yield)
}

func (s *store) calls() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saves
}

// stored returns the ids that can be loaded.
func (s *store) stored(t *testing.T) (ids []string) {
	t.Helper()
	entries, err := Load(t.Context(), s.Memory, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for _, e := range entries {
		if e.Kind != hubledger.Changed {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// logged is a log that can be read.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newWriter(s ledger.Store) (*Writer, *logged) {
	text := new(logged)
	log := slog.New(slog.NewTextHandler(text, nil))
	return NewWriter(s, log, warn.New(log)), text
}

// revoked returns entries of n sessions, with clocks in their order.
func revoked(from, n int) (entries []hubledger.Entry) {
	for i := from; i < from+n; i++ {
		at := command.Clock{Time: time.Now().UnixNano() + int64(i)}
		entries = append(entries, hubledger.Entry{Kind: hubledger.Revoked, ID: fmt.Sprint("s", i), At: at, Until: time.Now().Add(time.Hour)})
	}
	return entries
}
