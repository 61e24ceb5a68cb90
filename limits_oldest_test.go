package mojo

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestCloseOldest: a connection above the limit is taken in, and the oldest of the same
// session or user is closed, of whatever age they are on any app. Its client is told.
func TestCloseOldest(t *testing.T) {
	for name, test := range map[string]struct {
		opts   Options
		crowd  []string // the cookies of those that are counted together
		others []string
	}{
		"session": {Options{Limits: Limits{MaxConnsPerSession: 2}}, []string{inSession("s")}, []string{inSession("z")}},
		"user":    {Options{Limits: Limits{MaxConnsPerUser: 2}}, []string{asUser("u")}, []string{asUser("v")}},
		"both":    {Options{Limits: Limits{MaxConnsPerSession: 2, MaxConnsPerUser: 2}}, []string{inSession("s"), asUser("u")}, []string{inSession("z"), asUser("v")}},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				test.opts.Limits.ConnPolicy = CloseOldest
				_, site, h := limitedSite(t, n, test.opts)
				var clients []*siotest.Client
				var sockets []*siotest.Socket
				var conns []*Conn
				enter := func(cookies []string) {
					client := dial(t, site, transport, cookies...)
					clients = append(clients, client)
					sockets = append(sockets, client.Connect(chatNamespace, nil))
					conns = append(conns, await(t, h.accepted))
				}
				enter(test.others)
				enter(test.crowd)
				enter(test.crowd)
				require.Empty(t, h.ended)

				for oldest := 1; oldest < 4; oldest++ {
					enter(test.crowd)
					sockets[oldest].Expect(RevokedEvent, notice(CodeReplaced, ReasonReplaced, false))
					clients[oldest].Engine.AwaitClosed()
					require.Equal(t, ending{conns[oldest], ReasonReplaced}, await(t, h.ended))
				}
				for _, at := range []int{0, 4, 5} {
					clients[at].Barrier()
				}
			})
		})
	}
}

// TestCloseOldestAtOnce: of many that come at the same moment as many stay as may.
func TestCloseOldestAtOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		const limit, many = 3, 24
		srv, site, _ := limitedSite(t, n, Options{Limits: Limits{MaxConnsPerUser: limit, ConnPolicy: CloseOldest}})
		header := as(inSession("s"), asUser("u"))
		var wg sync.WaitGroup
		for range many {
			wg.Go(func() {
				client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: header})
				if err == nil { // or it was closed before it was open
					client.SendConnect(chatNamespace, nil)
				}
			})
		}
		wg.Wait()
		dial(t, site, transport, inSession("s"), asUser("u")).Connect(chatNamespace, nil)

		require.Equal(t, 1, srv.LoggedInSessions().Len())
		require.LessOrEqual(t, srv.LoggedInSessions().Get("u").Len(), limit)
	})
}

// TestHandshakesThatCloseNobody: a connection takes the place of another when it asks
// for an app. An image in a page can make a browser begin one, and a client that has
// not asked yet would come back.
func TestHandshakesThatCloseNobody(t *testing.T) {
	byTheClock(t, func(t *testing.T, transport string) {
		_, site, h := limitedSite(t, siotest.Memory, Options{Limits: Limits{MaxConnsPerUser: 1, ConnPolicy: CloseOldest}})
		cookies := []string{inSession("s"), asUser("u")}
		tab := dial(t, site, transport, cookies...)
		tab.Connect(chatNamespace, nil)
		conn := await(t, h.accepted)

		slow, fast := dial(t, site, transport, cookies...), dial(t, site, transport, cookies...)
		time.Sleep(time.Second)
		require.Empty(t, h.ended)
		tab.Barrier()

		fast.Connect(chatNamespace, nil)
		await(t, h.accepted)
		require.Equal(t, ending{conn, ReasonReplaced}, await(t, h.ended))
		slow.Connect(chatNamespace, nil) // which is the newest now
		await(t, h.accepted)
		require.Equal(t, ReasonReplaced, await(t, h.ended).reason)
		slow.Barrier()
	})
}
