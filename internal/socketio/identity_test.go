package socketio

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRetiredIsBounded: the oldest give way.
func TestRetiredIsBounded(t *testing.T) {
	var list retired
	list.init()
	until := time.Now().Add(time.Hour)
	const extra = 100
	for i := range maxRetired + extra {
		list.add(fmt.Sprint(i), "", until)
	}

	require.Len(t, list.ids, maxRetired)
	require.Len(t, list.order, maxRetired)
	_, in := list.since(fmt.Sprint(extra - 1))
	require.False(t, in)
	_, in = list.since(fmt.Sprint(extra))
	require.True(t, in)
}

// TestRetiredExpires, and what has expired takes no room when others come.
func TestRetiredExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list retired
		list.init()
		start := time.Now()
		list.add("a", "", start.Add(time.Hour))
		list.add("a", "", start.Add(2*time.Hour)) // again
		time.Sleep(time.Hour)
		since, in := list.since("a")
		require.True(t, in)
		require.Equal(t, start, since)
		_, in = list.since("")
		require.False(t, in)

		time.Sleep(time.Second)
		_, in = list.since("a")
		require.False(t, in)
		list.add("b", "", time.Now().Add(time.Hour))
		require.Len(t, list.ids, 1)
		require.Equal(t, []string{"b"}, list.order)
	})
}

// TestAdmitAndForget: a connection is under its identity until it is forgotten; one with a retired session is under
// none, but shows that it has the cookies it came with.
func TestAdmitAndForget(t *testing.T) {
	var r registry
	r.init()
	a := &client{presented: Identity{"s", "u"}}
	b := &client{presented: Identity{"s", ""}}
	loner := &client{presented: Identity{"", "u"}}
	nobody := &client{}
	for _, c := range []*client{a, b, loner, nobody} {
		r.admit(c)
	}

	require.Empty(t, r.retire(Identity{}, "new", time.Now().Add(time.Hour)))
	require.Equal(t, []*client{loner}, r.retire(Identity{"", "u"}, "new", time.Now().Add(time.Hour)))
	require.ElementsMatch(t, []*client{a, b}, r.retire(Identity{"s", "u"}, "new", time.Now().Add(time.Hour)))
	late := &client{presented: Identity{"s", "u"}}
	r.admit(late)
	require.Equal(t, Identity{}, late.identity)
	require.Equal(t, Identity{"s", "u"}, late.presented)
	require.ElementsMatch(t, []*client{a, b}, r.retire(Identity{"s", "u"}, "new", time.Now().Add(time.Hour)))
	for _, c := range []*client{a, b, loner, nobody, late} {
		r.forget(c)
		r.forget(c)
	}
	requireNobody(t, &r)
}

// requireNobody requires that nothing is left in the indexes of connections and of everybody.
func requireNobody(t testing.TB, r *registry) {
	t.Helper()
	r.mu.RLock()
	defer r.mu.RUnlock()
	for k := range r.clients {
		require.Empty(t, r.clients[k])
	}
	requireScopeEmpty(t, &r.all)
}

func requireScopeEmpty(t testing.TB, sc *scope) {
	t.Helper()
	require.Zero(t, sc.everyone.len())
	require.Empty(t, sc.everyone.at)
	require.Empty(t, sc.byID)
	for k := range sc.keyed {
		require.Empty(t, sc.keyed[k])
	}
}
