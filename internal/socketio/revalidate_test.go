package socketio

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/command"
	"github.com/mojosocket/mojo/internal/hub/slots"
)

// Without connections the revalidator has no timer, and it keeps nothing about
// earlier connections.
func TestRevalidatorStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := serverOptions()
		opts.Revalidation = Revalidation{
			Every: time.Minute, Failures: 3,
			Ask: func(context.Context, command.Identified) (bool, error) { panic("no answer") },
		}
		s := NewServer(opts)
		v := s.revalidator
		c := addClient(t, s, command.Identity{Session: "s", User: "u"})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		v.mu.Lock()
		require.False(t, v.failures.empty())
		require.True(t, v.armed.Load())
		v.mu.Unlock()
		require.NotZero(t, s.Stats().Panics)

		s.hub.Forget(&c.conn)
		c = addClient(t, s, command.Identity{Session: "other"}) // so that the slot of the first identity has its turn
		time.Sleep(time.Minute)
		s.hub.Forget(&c.conn)
		time.Sleep(time.Minute)
		synctest.Wait()

		v.mu.Lock()
		defer v.mu.Unlock()
		require.False(t, v.armed.Load())
		require.Zero(t, s.hub.Identities())
		require.True(t, v.failures.empty())
		require.Empty(t, v.asking)
		require.Zero(t, v.workers)
		require.Zero(t, s.activity.count)
	})
}

// The identities of a large slot are asked about in portions, and all within
// the interval.
func TestRevalidatorSpreadsASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const identities = 64 * 3 * slots.PortionSize
		var mu sync.Mutex
		asked := make(map[time.Time]int)
		opts := serverOptions()
		opts.Revalidation = Revalidation{
			Every: time.Minute, Failures: 3,
			Ask: func(context.Context, command.Identified) (bool, error) {
				mu.Lock()
				defer mu.Unlock()
				asked[time.Now()]++
				return true, nil
			},
		}
		s := NewServer(opts)
		for i := range identities {
			addClient(t, s, command.Identity{Session: fmt.Sprint("s", i)})
		}
		time.Sleep(opts.Revalidation.Every + opts.Revalidation.Every/slots.Count)
		s.revalidator.stop()
		synctest.Wait()
		all := 0
		for at, n := range asked {
			require.LessOrEqual(t, n, slots.PortionSize, at)
			all += n
		}
		require.GreaterOrEqual(t, all, identities)
		require.Zero(t, s.activity.count)
	})
}

// addClient adds a client to the hub, without a session of the engine.
func addClient(t testing.TB, s *Server, id command.Identity) *client {
	t.Helper()
	c := &client{server: s}
	c.conn.Owner = c
	_, err := s.hub.Admit(&c.conn, command.Identified{Identity: id}, s.hub.ChangesInPlace())
	require.NoError(t, err)
	s.revalidator.arm()
	return c
}
