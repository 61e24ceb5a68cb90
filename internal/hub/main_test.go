package hub

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mojosocket/mojo/internal/command"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the time of a Hub in a test, which moves it.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

func (c *clock) config() Config {
	return Config{AskTime: time.Second, Now: func() time.Time { return c.now }}
}

// admit admits a connection as the server does.
func admit(t testing.TB, h *Hub, id command.Identity) (*Conn, Admission) {
	t.Helper()
	c := new(Conn)
	admission, err := h.Admit(c, command.Identified{Identity: id}, h.ChangesInPlace())
	require.NoError(t, err)
	return c, admission
}

// seatOf returns a seat of a connection that is not shown yet.
func seatOf(c *Conn, n *Namespace, id string) *Seat {
	s := NewSeat(c, n, id, nil)
	return &s
}

// prove makes a connection what it claims.
func prove(t testing.TB, h *Hub, c *Conn, to command.Identified) {
	t.Helper()
	_, b, _ := h.Prove(c, to)
	require.NotNil(t, b)
}

// requireEmpty requires that the indexes have no connection and no seat.
func requireEmpty(t testing.TB, h *Hub) {
	t.Helper()
	for k := range h.conns {
		require.Zero(t, h.conns[k].Len())
		require.Zero(t, h.claims[k].Len())
	}
	require.Empty(t, h.claimants)
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
