package cluster

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/internal/e2e"
)

// startQuiet starts nodes in the bubble of a test. What they log is in the Log.
func startQuiet(t *testing.T, count int) (bus *cluster.Memory, n []*node, log *e2e.Log) {
	t.Helper()
	bus, log = cluster.NewMemory(), new(e2e.Log)
	for range count {
		n = append(n, startWith(t, mojo.Options{Cluster: bus, Logger: log.Logger()}))
	}
	time.Sleep(3 * time.Second)
	return bus, n, log
}

type drop struct {
	Key  string
	Data []byte
}

// A notification reaches the functions of all other nodes, in order, and not
// those of the sender.
func TestNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n, _ := startQuiet(t, 3)
		got := make([][]drop, 3)
		for i, other := range n {
			mojo.OnNotify(other.Server, "drop", func(in drop) error {
				got[i] = append(got[i], in)
				return nil
			})
		}
		var want []drop
		for _, key := range []string{"a", "b", "c"} {
			require.NoError(t, n[0].Notify("drop", drop{key, []byte(key)}))
			want = append(want, drop{key, []byte(key)})
		}
		require.NoError(t, n[0].Notify("drop"))
		require.NoError(t, n[0].Notify("nobody has a function for it", 1))
		synctest.Wait()

		want = append(want, drop{})
		require.Equal(t, [][]drop{nil, want, want}, got)
	})
}

// Each other node answers a notification once, or says why it does not.
func TestNotifyWithAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n, log := startQuiet(t, 6)
		mojo.OnNotifyCall(n[1].Server, "double", func(in int) (int, error) { return 2 * in, nil })
		mojo.OnNotify(n[2].Server, "double", func(int) error { return nil })
		mojo.OnNotifyCall(n[3].Server, "double", func(int) (int, error) { return 0, errors.New("out of numbers") })
		mojo.OnNotify(n[4].Server, "double", func(int) error { panic("five") })

		answers, err := n[0].NotifyWithAck(t.Context(), "double", 21)

		require.NoError(t, err)
		byNode := make(map[string]mojo.Answer)
		for a := range answers.All() {
			byNode[a.Node] = a
			require.Empty(t, a.ConnID)
		}
		require.Len(t, byNode, 5)
		require.Equal(t, 5, answers.Asked())
		var doubled int
		a := byNode[n[1].name()]
		require.NoError(t, a.Decode(&doubled))
		require.Equal(t, 42, doubled)
		a = byNode[n[2].name()]
		require.NoError(t, a.Err)
		require.Zero(t, a.Len())
		require.EqualError(t, byNode[n[3].name()].Err, "mojo: the function of node "+n[3].name()+" has failed: out of numbers")
		require.ErrorContains(t, byNode[n[4].name()].Err, "has failed: panic")
		require.ErrorIs(t, byNode[n[5].name()].Err, mojo.ErrNoFunction)
		require.Contains(t, log.String(), "out of numbers")
		require.Contains(t, log.String(), "five")
		require.NoError(t, answers.Err())
	})
}

// Arguments that do not fit never reach the function.
func TestNotificationsThatDoNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n, log := startQuiet(t, 2)
		mojo.OnNotify(n[1].Server, "number", func(int) error {
			t.Error("called")
			return nil
		})
		for _, args := range [][]any{{"text"}, {1, 2}} {
			answers, err := n[0].NotifyWithAck(t.Context(), "number", args...)
			require.NoError(t, err)
			all := slices.Collect(answers.All())
			require.Len(t, all, 1)
			require.ErrorContains(t, all[0].Err, "argument")
		}
		require.Contains(t, log.String(), "2 arguments, want at most 1")
	})
}

// Nodes that are slow, or die, are missing.
func TestNodesThatDoNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, n, _ := startQuiet(t, 3)
		release := make(chan struct{})
		defer close(release)
		for _, other := range n[1:] {
			mojo.OnNotify(other.Server, "wait", func(int) error {
				<-release
				return nil
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		answers, err := n[0].NotifyWithAck(ctx, "wait", 1)
		require.NoError(t, err)
		bus.Cut(n[2].name())

		require.Empty(t, slices.Collect(answers.All()))

		require.ErrorIs(t, answers.Err(), context.DeadlineExceeded)
		require.ErrorIs(t, answers.Err(), mojo.ErrNodeLost)
		missing := make(map[string]error)
		for _, a := range answers.Missing() {
			missing[a.Node] = a.Err
		}
		require.ErrorIs(t, missing[n[1].name()], mojo.ErrNoAnswer)
		require.ErrorIs(t, missing[n[2].name()], mojo.ErrNodeLost)
	})
}

// A Server without a cluster notifies nobody.
func TestNotifyAlone(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{})
	mojo.OnNotify(srv, "event", func(int) error {
		t.Error("called")
		return nil
	})
	require.NoError(t, srv.Notify("event", 1))
	answers, err := srv.NotifyWithAck(t.Context(), "event", 1)
	require.NoError(t, err)
	require.Empty(t, slices.Collect(answers.All()))
	require.NoError(t, answers.Err())
}

// Names that are reserved or taken, and arguments that cannot be encoded, are
// refused.
func TestNotificationsThatAreRefused(t *testing.T) {
	srv := e2e.NewServer(t, mojo.Options{})
	nothing := func(int) error { return nil }
	mojo.OnNotify(srv, "event", nothing)
	require.PanicsWithValue(t, `mojo: the notification "event" has a function already`, func() { mojo.OnNotify(srv, "event", nothing) })
	for _, name := range []string{"connection", "new_namespace", "connect", "mojo:x"} {
		require.ErrorIs(t, srv.Notify(name), mojo.ErrReservedEvent)
		_, err := srv.NotifyWithAck(t.Context(), name)
		require.ErrorIs(t, err, mojo.ErrReservedEvent)
		require.Panics(t, func() { mojo.OnNotify(srv, name, nothing) })
	}
	require.ErrorContains(t, srv.Notify("event", func() {}), "mojo: json: unsupported type")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := srv.NotifyWithAck(ended, "event")
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, srv.Close())
	require.ErrorIs(t, srv.Notify("event"), mojo.ErrServerClosed)
	_, err = srv.NotifyWithAck(t.Context(), "event")
	require.ErrorIs(t, err, mojo.ErrServerClosed)
}

// A node that is cut off says that nobody was notified.
func TestNotifyWhileIsolated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, n, _ := startQuiet(t, 2)
		bus.Cut(n[0].name())
		synctest.Wait()
		require.ErrorIs(t, n[0].Notify("event"), mojo.ErrClusterDown)
		answers, err := n[0].NotifyWithAck(t.Context(), "event")
		require.NoError(t, err)
		require.Empty(t, slices.Collect(answers.All()))
		require.ErrorIs(t, answers.Err(), mojo.ErrNodeLost)
	})
}

// Notifications wait for a slow function, up to a bound, and Shutdown waits for
// it. One that ends its goroutine does not stop the others.
func TestSlowNotifyFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n, log := startQuiet(t, 2)
		release := make(chan struct{})
		called := 0
		mojo.OnNotify(n[1].Server, "slow", func(string) error {
			if called++; called == 1 {
				<-release
				runtime.Goexit()
			}
			return nil
		})
		text := strings.Repeat("x", 1<<20)
		for range 17 {
			require.NoError(t, n[0].Notify("slow", text))
			synctest.Wait()
		}
		answers, err := n[0].NotifyWithAck(t.Context(), "slow", text)
		require.NoError(t, err)
		all := slices.Collect(answers.All())
		require.Len(t, all, 1)
		require.ErrorIs(t, all[0].Err, mojo.ErrTooLarge)
		require.Contains(t, log.String(), "a notification was dropped, because too many wait")

		closed := make(chan error)
		go func() { closed <- n[1].Shutdown(t.Context()) }()
		synctest.Wait()
		require.Empty(t, closed)
		close(release)
		require.NoError(t, <-closed)
		require.Equal(t, 16, called)
	})
}
