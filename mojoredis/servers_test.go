package mojoredis_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/redistest"
	"github.com/mojosocket/mojo/mojoredis"
	"github.com/mojosocket/mojo/mojotest"
)

// Two Servers over one Redis: a message reaches its receivers on the other one,
// a revocation on one holds on the other, and the emitter reaches people.
func TestServers(t *testing.T) {
	redistest.Require(t)
	options := mojoredis.Options{Key: t.Name()}
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	require.NoError(t, err)
	var servers []*mojo.Server
	var sites []*mojotest.Server
	for range 2 {
		srv, err := mojo.New(mojo.Options{Cookies: cookies, Logger: slog.New(slog.DiscardHandler), Cluster: mojoredis.New(newClient(t, shared.Addr), options)})
		require.NoError(t, err)
		_, err = srv.Register("Chat", new(mojo.Events).Handler())
		require.NoError(t, err)
		servers, sites = append(servers, srv), append(sites, mojotest.NewServer(t, srv, nil))
		t.Cleanup(func() { _ = srv.Close() })
	}
	require.Eventually(t, func() bool { return len(servers[0].Nodes()) == 2 && len(servers[1].Nodes()) == 2 }, 10*time.Second, 10*time.Millisecond)
	ann := sites[1].NewBrowser(t)
	ann.LogIn("ann")
	chat := ann.Dial("/ChatSocket", nil)
	require.Eventually(t, func() bool { return servers[0].LoggedInSessions().Has("ann") }, 10*time.Second, 10*time.Millisecond)
	channel, _ := servers[0].Channel("Chat")

	require.NoError(t, channel.Emit("everybody", 1))
	require.NoError(t, servers[0].LoggedInSessions().Get("ann").Emit("ann", []byte{1, 2}))
	chat.Expect("everybody", 1)
	chat.Expect("ann", []byte{1, 2})
	emitter := mojoredis.NewEmitter(newClient(t, shared.Addr), mojoredis.EmitterOptions{Key: t.Name()})
	require.NoError(t, emitter.Of("/ChatSocket").Users("ann").Emit(t.Context(), "worker", "done"))
	chat.Expect("worker", "done")

	require.NoError(t, servers[0].LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{}))
	require.Equal(t, mojo.RevokedEvent, chat.Next().Event())
	require.False(t, servers[1].LoggedInSessions().Local().Has("ann"))
	_, err = ann.TryDial("/ChatSocket", nil)
	require.Error(t, err)
}
