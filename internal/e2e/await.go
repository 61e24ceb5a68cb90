package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// Await returns the next value of a channel. It fails the test if none comes.
func Await[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-ch:
		require.True(t, ok, "the channel is closed")
		return v
	case <-time.After(siotest.Limit):
		require.Fail(t, "no value came")
		panic("unreachable")
	}
}

// AwaitClosed waits until ch is closed. No value may be sent on it.
func AwaitClosed(t testing.TB, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(siotest.Limit):
		require.Fail(t, "the channel was not closed")
	}
}

// LastEvent waits until the socket is disconnected and returns the last event
// that it received.
func LastEvent(s *siotest.Socket) (last siotest.Event) {
	s.AwaitDisconnected()
	for s.Unread() > 0 {
		last = s.Next()
	}
	return last
}
