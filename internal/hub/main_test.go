package hub

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the time of a Hub in a test.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

func (c *clock) config() Config {
	return Config{AskTime: time.Second, Now: func() time.Time { return c.now }}
}

// admit admits a connection like the server.
func admit(t testing.TB, h *Hub, id command.Identity) (*Conn, Admission) {
	t.Helper()
	c := new(Conn)
	admission, err := h.Admit(c, command.Identified{Identity: id}, h.ChangesInPlace())
	require.NoError(t, err)
	return c, admission
}

// seatOf returns a new seat of a connection, which is not visible yet.
func seatOf(c *Conn, n *Namespace, id string) *Seat {
	s := NewSeat(c, n, id, nil)
	return &s
}

// prove proves the claim of a connection.
func prove(t testing.TB, h *Hub, c *Conn, to command.Identified) {
	t.Helper()
	_, bound, _ := h.Prove(c, to)
	require.NotNil(t, bound)
}

// requireEmpty requires that the indexes have no connection and no seat.
func requireEmpty(t testing.TB, h *Hub) {
	t.Helper()
	for k := range h.conns {
		require.Zero(t, h.conns[k].Len())
		require.Zero(t, h.claims[k].Len())
	}
	require.Empty(t, h.claimants)
	require.Empty(t, h.trails)
	if h.identities != nil {
		require.Zero(t, h.identities.Len())
	}
	requireScopeEmpty(t, &h.all)
	for _, n := range h.namespaces {
		requireScopeEmpty(t, &n.scope)
		require.Empty(t, n.byID)
	}
}

func requireScopeEmpty(t testing.TB, sc *scope) {
	t.Helper()
	require.Zero(t, sc.everyone.Len())
	for k := range sc.keyed {
		require.Zero(t, sc.keyed[k].Len())
	}
}

// requireSame requires the same elements in any order. It compares pointers,
// not their targets.
func requireSame[T comparable](t *testing.T, want, got []T) {
	t.Helper()
	count := make(map[T]int)
	for _, v := range want {
		count[v]++
	}
	for _, v := range got {
		count[v]--
	}
	for v, n := range count {
		if n != 0 {
			t.Fatalf("want %d elements, got %d; one differs in number by %d: %v", len(want), len(got), n, describe(v))
		}
	}
}

// describe returns a short form of a seat or connection.
func describe(v any) any {
	switch v := v.(type) {
	case *Seat:
		return fmt.Sprintf("seat %s on %s of %+v", v.id, v.namespace.name, v.conn.Binding().Identity)
	case *Conn:
		return fmt.Sprintf("connection of %+v", v.Binding().Identity)
	}
	return v
}
