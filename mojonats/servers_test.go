package mojonats_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/cluster"
	"github.com/mojosocket/mojo/mojonats"
	"github.com/mojosocket/mojo/mojotest"
)

// startSites starts Servers over buses, and waits until they have found each
// other.
func startSites(t *testing.T, buses ...cluster.Bus) (servers []*mojo.Server, sites []*mojotest.Server) {
	t.Helper()
	cookies, err := mojo.NewCookies(mojo.CookieOptions{Keys: []mojo.Key{mojo.NewKey()}})
	require.NoError(t, err)
	for _, bus := range buses {
		srv, err := mojo.New(mojo.Options{Cookies: cookies, Logger: slog.New(slog.DiscardHandler), Cluster: bus})
		require.NoError(t, err)
		t.Cleanup(func() { _ = srv.Close() })
		events := new(mojo.Events)
		mojo.On(events, "join", func(c *mojo.Conn, room string) error { return c.Join(room) })
		_, err = srv.Register("Chat", events.Handler())
		require.NoError(t, err)
		servers, sites = append(servers, srv), append(sites, mojotest.NewServer(t, srv, nil))
	}
	for _, srv := range servers {
		eventually(t, func() bool { return len(srv.Nodes()) == len(buses) })
	}
	return servers, sites
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, limit, 10*time.Millisecond)
}

// Two Servers over one NATS: messages to everybody, to a room and to a user
// reach their receivers on the other one, and logins, logouts and revocations on
// one hold on the other.
func TestServers(t *testing.T) {
	s := newServer(t)
	options := mojonats.Options{Logger: quiet}
	bus := func() cluster.Bus { return mojonats.New(connect(t, s.addr()), options) }
	servers, sites := startSites(t, bus(), bus())
	testSites(t, servers, sites)
}

func testSites(t *testing.T, servers []*mojo.Server, sites []*mojotest.Server) {
	t.Helper()
	ann := sites[1].NewBrowser(t)
	ann.LogIn("ann")
	chat := ann.Dial("/ChatSocket", nil)
	eventually(t, func() bool { return servers[0].LoggedInSessions().Has("ann") })
	channel, _ := servers[0].Channel("Chat")
	require.NoError(t, channel.Emit("everybody", 1))
	require.NoError(t, servers[0].LoggedInSessions().Get("ann").Emit("ann", []byte{1, 2}))
	chat.Expect("everybody", 1)
	chat.Expect("ann", []byte{1, 2})

	// What follows a message of a Server, follows its joins.
	eve := sites[0].NewBrowser(t).Dial("/ChatSocket", nil)
	chat.Call("join", "the tea room")
	other, _ := servers[1].Channel("Chat")
	require.NoError(t, other.Emit("joined"))
	eve.Expect("joined")
	chat.Expect("joined")
	require.NoError(t, channel.To("the tea room").Emit("tea", "is ready"))
	chat.Expect("tea", "is ready")

	require.NoError(t, servers[0].LoggedInSessions().Get("ann").Revoke(t.Context(), mojo.Revocation{}))
	require.Equal(t, mojo.RevokedEvent, chat.Next().Event())
	require.False(t, servers[1].LoggedInSessions().Local().Has("ann"))
	_, err := ann.TryDial("/ChatSocket", nil)
	require.Error(t, err)

	bob := sites[1].NewBrowser(t)
	bob.LogIn("bob")
	tab := bob.Dial("/ChatSocket", nil)
	bob.LogOut()
	require.NoError(t, servers[0].LoggedInSessions().Get("bob").Emit("secret"))
	require.NoError(t, channel.Emit("everybody", 2))
	tab.Expect("everybody", 2)
}
