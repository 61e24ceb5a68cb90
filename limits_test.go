package mojo

import (
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// limitedSite is a site with the apps Chat and News.
func limitedSite(t testing.TB, n siotest.Network, opts Options) (*Server, *siotest.Site, *app) {
	t.Helper()
	opts.Cookies = newTestCookies(t, CookieOptions{})
	srv, h := newTestServer(t, opts), newApp()
	register(t, srv, "Chat", h)
	register(t, srv, "News", h)
	return srv, siotest.Serve(t, n, srv), h
}

// requireCrowded requires that a new connection is refused on every app, for a clear reason.
func requireCrowded(t testing.TB, client *siotest.Client, message string, limit int) {
	t.Helper()
	for _, namespace := range []string{chatNamespace, "/NewsSocket", chatNamespace} {
		_, refusal := client.TryConnect(namespace, nil)
		require.NotNil(t, refusal)
		require.Equal(t, message, refusal.Message)
		require.JSONEq(t, fmt.Sprintf(`{"limit":%d}`, limit), string(refusal.Data))
	}
}

// TestMaxConns: above the limit a connection is told so on every app; those that are there stay, others come in, and
// there is room again after one has left.
func TestMaxConns(t *testing.T) {
	for name, test := range map[string]struct {
		opts    Options
		message string
		crowd   func(i int) []string // whose connections are counted together
		others  [][]string
	}{
		"session": {
			Options{Limits: Limits{MaxConnsPerSession: 3}},
			"too many connections of this session",
			func(i int) []string { return []string{inSession("s"), asUser(fmt.Sprint(i % 2))} },
			[][]string{nil, {inSession("z"), asUser("0")}, {asUser("0")}},
		},
		"user": {
			Options{Limits: Limits{MaxConnsPerUser: 3}},
			"too many connections of this user",
			func(i int) []string { return []string{inSession(fmt.Sprint(i)), asUser("u")}[i%2:] },
			[][]string{nil, {inSession("0"), asUser("v")}, {inSession("0")}},
		},
		"both": {
			Options{Limits: Limits{MaxConnsPerSession: 9, MaxConnsPerUser: 3}},
			"too many connections of this user",
			func(int) []string { return []string{inSession("s"), asUser("u")} },
			[][]string{nil, {inSession("s")}, {inSession("z"), asUser("v")}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				srv, site, h := limitedSite(t, n, test.opts)
				dial(t, site, transport, test.crowd(0)...) // on no app yet
				var clients []*siotest.Client
				var sockets []*siotest.Socket
				for i := range 2 {
					client := dial(t, site, transport, test.crowd(i+1)...)
					clients = append(clients, client)
					sockets = append(sockets, client.Connect(chatNamespace, nil), client.Connect("/NewsSocket", nil))
				}
				for i := range 3 {
					requireCrowded(t, dial(t, site, transport, test.crowd(i)...), test.message, 3)
				}
				require.Len(t, h.accepted, 4, "OnConnect is not asked")
				for _, socket := range sockets {
					socket.ExpectNothing()
				}
				for _, other := range test.others {
					dial(t, site, transport, other...).Connect(chatNamespace, nil)
				}

				sockets[0].Disconnect() // which leaves an app, but not the site
				await(t, h.ended)
				requireCrowded(t, dial(t, site, transport, test.crowd(3)...), test.message, 3)
				clients[0].Close()
				await(t, h.ended)
				dial(t, site, transport, test.crowd(3)...).Connect(chatNamespace, nil)
				requireCrowded(t, dial(t, site, transport, test.crowd(4)...), test.message, 3)
				require.Zero(t, srv.CurrentSessions().Get("").Len())
			})
		})
	}
}

// TestMaxConnsAtOnce: of many that come at the same moment, as many as may are taken in. That holds while others leave.
func TestMaxConnsAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		const limit = 4
		_, site, h := limitedSite(t, n, Options{Limits: Limits{MaxConnsPerUser: limit}})
		header := as(inSession("s"), asUser("u"))
		var there, most atomic.Int32
		h.connect = func(*Conn) error {
			now := there.Add(1)
			for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
			}
			return nil
		}
		h.disconnect = func(*Conn, Reason) { there.Add(-1) }
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
					if _, refusal := client.TryConnect(chatNamespace, nil); refusal != nil {
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
				await(t, h.ended)
			}
		}
		require.EqualValues(t, limit, most.Load())
	})
}

// TestMaxConnsAndLogIn: connections that become one user's stay, and then no more are taken in.
func TestMaxConnsAndLogIn(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site, _ := limitedSite(t, n, Options{Limits: Limits{MaxConnsPerUser: 2, MaxConnsPerSession: 3}})
		var sockets []*siotest.Socket
		for range 3 {
			sockets = append(sockets, dial(t, site, transport, inSession("s")).Connect(chatNamespace, nil))
		}
		requireCrowded(t, dial(t, site, transport, inSession("s")), "too many connections of this session", 3)
		w := httptest.NewRecorder()

		require.NoError(t, srv.LogIn(w, cookieRequest(inSession("s")), "u"))

		follow(t, site, returned(w).Header, sockets...)
		require.Equal(t, 3, srv.LoggedInSessions().Get("u").Len())
		requireCrowded(t, dial(t, site, transport, inSession("z"), asUser("u")), "too many connections of this user", 2)
	})
}

// TestMaxConnsKeepsNobody: who was refused and stays all the same is closed after ConnectTimeout, and is in no index.
func TestMaxConnsKeepsNobody(t *testing.T) {
	byTheClock(t, func(t *testing.T, transport string) {
		srv, site, h := limitedSite(t, siotest.Memory, Options{Limits: Limits{MaxConnsPerSession: 1}, RequireSession: true, Timeouts: Timeouts{ConnectTimeout: 5 * time.Second}})
		kept := dial(t, site, transport, inSession("s")).Connect(chatNamespace, nil)
		client := dial(t, site, transport, inSession("s"))
		requireCrowded(t, client, "too many connections of this session", 1)
		require.Equal(t, 1, srv.CurrentSessions().Get("s").Len())
		require.NoError(t, srv.CurrentSessions().Emit("news"))
		kept.Expect("news")
		requireCrowded(t, client, "too many connections of this session", 1)

		client.Engine.AwaitClosed()

		kept.ExpectNothing()
		require.Empty(t, h.ended)
	})
}
