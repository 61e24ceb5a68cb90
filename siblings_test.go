package mojo

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e/cookietest"
)

// The list of fresh sessions is bounded in number and in time.
func TestFreshSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFreshSessions()
		for range 2 * maxFresh {
			f.begin(cookietest.Request(), newSessionID())
		}
		require.Len(t, f.order, maxFresh)
		require.Len(t, f.byID, maxFresh)
		time.Sleep(freshTime + time.Second)
		f.begin(cookietest.Request(), newSessionID())
		require.Len(t, f.order, 1)
		require.Len(t, f.byID, 1)
	})
}
