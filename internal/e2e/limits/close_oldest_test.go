package limits

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// With CloseOldest a connection above the limit is accepted, and the oldest
// connection of the same session or user is closed with the documented reason.
func TestCloseOldest(t *testing.T) {
	for name, test := range map[string]struct {
		opts    mojo.Options
		counted []string // cookies of connections that share a limit
		others  []string
	}{
		"session": {mojo.Options{Limits: mojo.Limits{MaxConnsPerSession: 2}}, []string{e2e.SessionCookie("s")}, []string{e2e.SessionCookie("z")}},
		"user":    {mojo.Options{Limits: mojo.Limits{MaxConnsPerUser: 2}}, []string{e2e.LoginCookie("u")}, []string{e2e.LoginCookie("v")}},
		"both":    {mojo.Options{Limits: mojo.Limits{MaxConnsPerSession: 2, MaxConnsPerUser: 2}}, []string{e2e.SessionCookie("s"), e2e.LoginCookie("u")}, []string{e2e.SessionCookie("z"), e2e.LoginCookie("v")}},
	} {
		t.Run(name, func(t *testing.T) {
			e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
				test.opts.Limits.ConnPolicy = mojo.CloseOldest
				_, site, h := limitedSite(t, n, test.opts)
				var clients []*siotest.Client
				var sockets []*siotest.Socket
				var conns []*mojo.Conn
				connect := func(cookies []string) {
					client := e2e.Dial(t, site, transport, cookies...)
					clients = append(clients, client)
					sockets = append(sockets, client.Connect(e2e.ChatNamespace, nil))
					conns = append(conns, e2e.Await(t, h.Accepted))
				}
				connect(test.others)
				connect(test.counted)
				connect(test.counted)
				require.Empty(t, h.Ended)

				for oldest := 1; oldest < 4; oldest++ {
					connect(test.counted)
					sockets[oldest].Expect(mojo.RevokedEvent, e2e.RevokedNotice(mojo.CodeReplaced, mojo.ReasonReplaced, false))
					clients[oldest].Engine.AwaitClosed()
					require.Equal(t, e2e.End{Conn: conns[oldest], Reason: mojo.ReasonReplaced}, e2e.Await(t, h.Ended))
				}
				for _, at := range []int{0, 4, 5} {
					clients[at].Barrier()
				}
			})
		})
	}
}

// Many connections begin at the same time. No more than the limit stay open.
func TestCloseOldestAtOnce(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		const limit, many = 3, 24
		srv, site, _ := limitedSite(t, n, mojo.Options{Limits: mojo.Limits{MaxConnsPerUser: limit, ConnPolicy: mojo.CloseOldest}})
		header := e2e.CookieHeader(e2e.SessionCookie("s"), e2e.LoginCookie("u"))
		var wg sync.WaitGroup
		for range many {
			wg.Go(func() {
				client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: header})
				if err == nil { // on an error the server has closed it during the handshake
					client.SendConnect(e2e.ChatNamespace, nil)
				}
			})
		}
		wg.Wait()
		e2e.Dial(t, site, transport, e2e.SessionCookie("s"), e2e.LoginCookie("u")).Connect(e2e.ChatNamespace, nil)

		require.Equal(t, 1, srv.LoggedInSessions().Len())
		require.LessOrEqual(t, srv.LoggedInSessions().Get("u").Len(), limit)
	})
}

// A connection replaces the oldest one when it connects to an app, and not
// during its handshake. An image in a page can cause a handshake, and a client
// that is closed before its first CONNECT would reconnect.
func TestHandshakesCloseNoConnection(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		_, site, h := limitedSite(t, siotest.Memory, mojo.Options{Limits: mojo.Limits{MaxConnsPerUser: 1, ConnPolicy: mojo.CloseOldest}})
		cookies := []string{e2e.SessionCookie("s"), e2e.LoginCookie("u")}
		tab := e2e.Dial(t, site, transport, cookies...)
		tab.Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)

		slow, fast := e2e.Dial(t, site, transport, cookies...), e2e.Dial(t, site, transport, cookies...)
		time.Sleep(time.Second)
		require.Empty(t, h.Ended)
		tab.Barrier()

		fast.Connect(e2e.ChatNamespace, nil)
		e2e.Await(t, h.Accepted)
		require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonReplaced}, e2e.Await(t, h.Ended))
		slow.Connect(e2e.ChatNamespace, nil) // becomes the newest connection
		e2e.Await(t, h.Accepted)
		require.Equal(t, mojo.ReasonReplaced, e2e.Await(t, h.Ended).Reason)
		slow.Barrier()
	})
}
