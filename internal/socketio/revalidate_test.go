package socketio

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRevalidatorStops when nobody is connected: no timer is left, and nothing is kept of who has gone.
func TestRevalidatorStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := serverOptions()
		opts.Revalidation = Revalidation{
			Every: time.Minute, Failures: 3,
			Ask: func(context.Context, Identified) (bool, error) { panic("no answer") },
		}
		s := NewServer(opts)
		v := s.validity
		c, _ := enter(t, &s.registry, Identity{"s", "u"})
		v.arm()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		v.mu.Lock()
		require.NotZero(t, v.failures[Identity{"s", "u"}])
		require.True(t, v.armed)
		v.mu.Unlock()

		s.registry.forget(c)
		c, _ = enter(t, &s.registry, Identity{"other", ""}) // so that the slot of the one who has gone is looked at
		time.Sleep(time.Minute)
		s.registry.forget(c)
		time.Sleep(time.Minute)
		synctest.Wait()

		v.mu.Lock()
		defer v.mu.Unlock()
		require.False(t, v.armed)
		require.NotContains(t, v.failures, Identity{"s", "u"})
		require.Empty(t, v.asking)
		require.Zero(t, v.workers)
		require.Zero(t, s.activity.n)
	})
}
