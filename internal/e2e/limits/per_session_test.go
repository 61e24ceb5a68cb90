package limits

import (
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/e2e/cookietest"
	"github.com/mojosocket/mojo/internal/siotest"
)

// limitedSite serves a site with the apps Chat and News.
func limitedSite(t testing.TB, n siotest.Network, opts mojo.Options) (*mojo.Server, *siotest.Site, *e2e.App) {
	t.Helper()
	opts.Cookies = e2e.NewCookies(t, mojo.CookieOptions{})
	srv, h := e2e.NewServer(t, opts), e2e.NewApp()
	e2e.Register(t, srv, "Chat", h)
	e2e.Register(t, srv, "News", h)
	return srv, siotest.Serve(t, n, srv), h
}

// requireTooMany requires that a new connection is refused on every app, with a
// message and the limit.
func requireTooMany(t testing.TB, client *siotest.Client, message string, limit int) {
	t.Helper()
	for _, namespace := range []string{e2e.ChatNamespace, "/NewsSocket", e2e.ChatNamespace} {
		_, refusal := client.TryConnect(namespace, nil)
		require.NotNil(t, refusal)
		require.Equal(t, message, refusal.Message)
		require.JSONEq(t, fmt.Sprintf(`{"limit":%d}`, limit), string(refusal.Data))
	}
}

// Above the limit every app refuses a connection with the documented reason.
// Existing connections and those of other users stay open. When one has ended,
// a new one is accepted.
func TestMaxConns(t *testing.T) {
	for name, test := range map[string]struct {
		opts    mojo.Options
		message string
		counted func(i int) []string // cookies of connections that share a limit
		others  [][]string
	}{
		"session": {
			mojo.Options{Limits: mojo.Limits{MaxConnsPerSession: 3}},
			"too many connections of this session",
			func(i int) []string { return []string{e2e.SessionCookie("s"), e2e.LoginCookie(fmt.Sprint(i % 2))} },
			[][]string{nil, {e2e.SessionCookie("z"), e2e.LoginCookie("0")}, {e2e.LoginCookie("0")}},
		},
		"user": {
			mojo.Options{Limits: mojo.Limits{MaxConnsPerUser: 3}},
			"too many connections of this user",
			func(i int) []string { return []string{e2e.SessionCookie(fmt.Sprint(i)), e2e.LoginCookie("u")}[i%2:] },
			[][]string{nil, {e2e.SessionCookie("0"), e2e.LoginCookie("v")}, {e2e.SessionCookie("0")}},
		},
		"both": {
			mojo.Options{Limits: mojo.Limits{MaxConnsPerSession: 9, MaxConnsPerUser: 3}},
			"too many connections of this user",
			func(int) []string { return []string{e2e.SessionCookie("s"), e2e.LoginCookie("u")} },
			[][]string{nil, {e2e.SessionCookie("s")}, {e2e.SessionCookie("z"), e2e.LoginCookie("v")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				srv, site, h := limitedSite(t, n, test.opts)
				e2e.Dial(t, site, transport, test.counted(0)...) // on no app yet
				var clients []*siotest.Client
				var sockets []*siotest.Socket
				for i := range 2 {
					client := e2e.Dial(t, site, transport, test.counted(i+1)...)
					clients = append(clients, client)
					sockets = append(sockets, client.Connect(e2e.ChatNamespace, nil), client.Connect("/NewsSocket", nil))
				}
				for i := range 3 {
					requireTooMany(t, e2e.Dial(t, site, transport, test.counted(i)...), test.message, 3)
				}
				require.Len(t, h.Accepted, 4, "OnConnect was called for a refused connection")
				for _, socket := range sockets {
					socket.ExpectNothing()
				}
				for _, other := range test.others {
					e2e.Dial(t, site, transport, other...).Connect(e2e.ChatNamespace, nil)
				}

				sockets[0].Disconnect() // disconnects from one app and stays connected to the other
				e2e.Await(t, h.Ended)
				requireTooMany(t, e2e.Dial(t, site, transport, test.counted(3)...), test.message, 3)
				clients[0].Close()
				e2e.Await(t, h.Ended)
				e2e.Dial(t, site, transport, test.counted(3)...).Connect(e2e.ChatNamespace, nil)
				requireTooMany(t, e2e.Dial(t, site, transport, test.counted(4)...), test.message, 3)
				require.Zero(t, srv.CurrentSessions().Get("").Len())
			})
		})
	}
}

// Many connections begin at the same time while others end. Exactly as many as
// the limit are accepted.
func TestMaxConnsAtOnce(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		const limit = 4
		_, site, h := limitedSite(t, n, mojo.Options{Limits: mojo.Limits{MaxConnsPerUser: limit}})
		header := e2e.CookieHeader(e2e.SessionCookie("s"), e2e.LoginCookie("u"))
		var current, highest atomic.Int32
		h.Connect = func(*mojo.Conn) error {
			now := current.Add(1)
			for old := highest.Load(); now > old && !highest.CompareAndSwap(old, now); old = highest.Load() {
			}
			return nil
		}
		h.Disconnect = func(*mojo.Conn, mojo.Reason) { current.Add(-1) }
		for range 3 {
			clients := make(chan *siotest.Client, 24)
			var wg sync.WaitGroup
			for range cap(clients) {
				wg.Go(func() {
					client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: header})
					if err != nil {
						t.Error(err)
						return
					}
					if _, refusal := client.TryConnect(e2e.ChatNamespace, nil); refusal != nil {
						client.Close()
						return
					}
					clients <- client
				})
			}
			wg.Wait()
			close(clients)
			require.Len(t, clients, limit)
			for client := range clients {
				client.Close()
				e2e.Await(t, h.Ended)
			}
		}
		require.EqualValues(t, limit, highest.Load())
	})
}

// If a login gives a user more connections than the limit, they stay open. A
// further connection is refused.
func TestMaxConnsAndLogIn(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site, _ := limitedSite(t, n, mojo.Options{Limits: mojo.Limits{MaxConnsPerUser: 2, MaxConnsPerSession: 3}})
		var sockets []*siotest.Socket
		for range 3 {
			sockets = append(sockets, e2e.Dial(t, site, transport, e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil))
		}
		requireTooMany(t, e2e.Dial(t, site, transport, e2e.SessionCookie("s")), "too many connections of this session", 3)
		w := httptest.NewRecorder()

		require.NoError(t, srv.LogIn(w, cookietest.Request(e2e.SessionCookie("s")), "u"))

		e2e.FollowLogin(t, site, cookietest.NextRequest(w).Header, sockets...)
		require.Equal(t, 3, srv.LoggedInSessions().Get("u").Len())
		requireTooMany(t, e2e.Dial(t, site, transport, e2e.SessionCookie("z"), e2e.LoginCookie("u")), "too many connections of this user", 2)
	})
}

// A client that was refused and stays connected is in no view, and the server
// closes its connection after ConnectTimeout.
func TestMaxConnsAndARefusedClient(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		srv, site, h := limitedSite(t, siotest.Memory, mojo.Options{Limits: mojo.Limits{MaxConnsPerSession: 1}, RequireSession: true, Timeouts: mojo.Timeouts{ConnectTimeout: 5 * time.Second}})
		accepted := e2e.Dial(t, site, transport, e2e.SessionCookie("s")).Connect(e2e.ChatNamespace, nil)
		client := e2e.Dial(t, site, transport, e2e.SessionCookie("s"))
		requireTooMany(t, client, "too many connections of this session", 1)
		require.Equal(t, 1, srv.CurrentSessions().Get("s").Len())
		require.NoError(t, srv.CurrentSessions().Emit("news"))
		accepted.Expect("news")
		requireTooMany(t, client, "too many connections of this session", 1)

		client.Engine.AwaitClosed()

		accepted.ExpectNothing()
		require.Empty(t, h.Ended)
	})
}
