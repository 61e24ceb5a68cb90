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

// The list of sessions is bounded in number and in time.
func TestListIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		for range 2 * mostSessions {
			l.Begin(request("en"), rand.Text())
		}
		require.Len(t, l.order, mostSessions)
		require.Len(t, l.byID, mostSessions)
		time.Sleep(FreshTime + time.Second)
		l.Begin(request("en"), rand.Text())
		require.Len(t, l.order, 1)
		require.Len(t, l.byID, 1)
	})
}

// Two sessions of one browser whose requests crossed are lost until a page is
// requested with one of them. Those of another browser are no siblings.
func TestCrossingRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New()
		a, b, other := l.Begin(request("en"), "a"), l.Begin(request("en"), "b"), l.Begin(request("de"), "other")
		l.Answered(a)
		l.Answered(b)
		l.Answered(other)
		require.Same(t, a, l.Schedule("a"))
		require.Nil(t, l.Schedule("a"), "it is scheduled already")
		require.Nil(t, l.Schedule("other"))

		time.Sleep(Settle)
		require.Equal(t, []string{"a", "b"}, l.Lost("a", true))
		l.Seen("b")
		require.Equal(t, []string{"a"}, l.Lost("a", true))

		l.Settled("a")
		require.Nil(t, l.Lost("b", true))
		require.Nil(t, l.Schedule("b"))
	})
}

// Requests one after the other do not cross, but are those of siblings.
func TestRequestsInTurn(t *testing.T) {
	l := New()
	l.Answered(l.Begin(request("en"), "a"))
	l.Answered(l.Begin(request("en"), "b"))

	require.Nil(t, l.Schedule("b"))
	require.Nil(t, l.Lost("b", true))
	require.Equal(t, []string{"a", "b"}, l.Lost("b", false))
}

// A session that no browser gets is no sibling.
func TestForget(t *testing.T) {
	l := New()
	a := l.Begin(request("en"), "a")
	l.Begin(request("en"), "b")

	l.Forget(a)
	l.Forget(nil)

	require.Nil(t, l.Schedule("b"))
	require.Nil(t, l.Lost("a", false))
}
