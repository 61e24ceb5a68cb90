package siblings

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func request(language string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept-Language", language)
	return r
}

// A List has a bounded number of sessions, and removes old ones.
func TestListIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		for range 2 * maxSessions {
			l.Begin(request("en"), rand.Text())
		}
		require.Len(t, l.order, maxSessions)
		require.Len(t, l.byID, maxSessions)
		time.Sleep(MaxAge + time.Second)
		l.Begin(request("en"), rand.Text())
		require.Len(t, l.order, 1)
		require.Len(t, l.byID, 1)
	})
}

// Two sessions of one browser whose requests crossed are unused until a page is
// requested with them. A session of another browser is no sibling.
func TestCrossingRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		a, b, other := l.Begin(request("en"), "a"), l.Begin(request("en"), "b"), l.Begin(request("de"), "other")
		l.ResponseSent(a)
		l.ResponseSent(b)
		l.ResponseSent(other)
		require.Same(t, a, l.ScheduleCheck("a"))
		require.Nil(t, l.ScheduleCheck("a"), "the check is already scheduled")
		require.Nil(t, l.ScheduleCheck("other"))

		time.Sleep(CookieDelay)
		require.Equal(t, []string{"a", "b"}, l.Unused("a", true))
		l.PageRequested("b")
		require.Equal(t, []string{"a"}, l.Unused("a", true))

		l.Reconnected("a")
		require.Nil(t, l.Unused("b", true))
		require.Nil(t, l.ScheduleCheck("b"))
	})
}

// Sessions of requests that followed each other are siblings, but do not cross.
func TestSequentialRequests(t *testing.T) {
	l := New()
	l.ResponseSent(l.Begin(request("en"), "a"))
	l.ResponseSent(l.Begin(request("en"), "b"))

	require.Nil(t, l.ScheduleCheck("b"))
	require.Nil(t, l.Unused("b", true))
	require.Equal(t, []string{"a", "b"}, l.Unused("b", false))
}

// A session whose cookie is not sent is no sibling.
func TestForget(t *testing.T) {
	l := New()
	a := l.Begin(request("en"), "a")
	l.Begin(request("en"), "b")

	l.Forget(a)
	l.Forget(nil)

	require.Nil(t, l.ScheduleCheck("b"))
	require.Nil(t, l.Unused("a", false))
}
