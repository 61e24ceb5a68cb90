package mojo

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestTwoRequestsOfAFreshBrowser: each gets a session, and the browser keeps the one
// that comes last. The connection that it has opened under the other one comes again
// at the login, which then finds it.
func TestTwoRequestsOfAFreshBrowser(t *testing.T) {
	byTheClock(t, func(t *testing.T, transport string) {
		h := newApp()
		srv, site := loginSite(t, siotest.Memory, h)
		b, second := newBrowser(t, site), newBrowser(t, site)
		b.visit("/who")
		second.visit("/who")
		tab := b.dial(transport)
		tab.Connect(chatNamespace, nil)
		await(t, h.accepted)
		b.cookies = second.cookies // the browser keeps what has come last

		_, user := b.whoIs("/login?user=ann")

		require.Equal(t, "ann", user)
		require.Equal(t, ReasonIdentityChanged, await(t, h.ended).reason)
		tab.Engine.AwaitClosed()
		b.dial(transport).Connect(chatNamespace, nil)
		await(t, h.accepted)
		require.Equal(t, 1, srv.LoggedInSessions().Get("ann").Len())
		time.Sleep(time.Minute)
		require.Empty(t, h.ended, "it comes again once")
	})
}

// TestRequestsOfAFreshBrowserThatCross: the connection comes again by itself.
func TestRequestsOfAFreshBrowserThatCross(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newApp()
		srv, _ := chatServer(t, h)
		both := make(chan struct{})
		mux := http.NewServeMux()
		mux.Handle("/socket.io/", srv)
		mux.HandleFunc("/first", func(http.ResponseWriter, *http.Request) { <-both })
		mux.HandleFunc("/second", func(http.ResponseWriter, *http.Request) { close(both) })
		site := siotest.Serve(t, siotest.Memory, srv.EnsureSession(mux))
		b, second := newBrowser(t, site), newBrowser(t, site)
		var requests sync.WaitGroup
		requests.Go(func() { b.visit("/first") })
		synctest.Wait()
		second.visit("/second")
		requests.Wait()
		b.dial("websocket").Connect(chatNamespace, nil)
		conn := await(t, h.accepted)

		require.Equal(t, ending{conn, ReasonIdentityChanged}, await(t, h.ended))

		second.dial("websocket").Connect(chatNamespace, nil)
		await(t, h.accepted)
		time.Sleep(time.Minute)
		require.Empty(t, h.ended, "it comes again once")
	})
}

// TestFreshSessionsThatStay: a connection is left alone when somebody logs in who has
// one, or whose session has begun much earlier or later.
func TestFreshSessionsThatStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newApp()
		_, site := loginSite(t, siotest.Memory, h)
		b, other, later := newBrowser(t, site), newBrowser(t, site), newBrowser(t, site)
		b.visit("/who")
		b.dial("websocket").Connect(chatNamespace, nil)
		conn := await(t, h.accepted)
		other.visit("/who")
		other.dial("websocket").Connect(chatNamespace, nil)
		others := await(t, h.accepted)
		other.visit("/login?user=ann")
		require.Equal(t, others, await(t, h.ended).conn, "which has proven nothing")
		time.Sleep(6 * time.Second)
		later.visit("/login?user=bob")
		time.Sleep(time.Minute)
		require.Empty(t, h.ended)
		require.NotEmpty(t, conn.SessionID())
	})
}

// TestFreshSessionsAreBounded in number and time.
func TestFreshSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFreshSessions()
		for range 2 * maxFresh {
			f.begin(cookieRequest(), newSessionID())
		}
		require.Len(t, f.order, maxFresh)
		require.Len(t, f.byID, maxFresh)
		time.Sleep(freshTime + time.Second)
		f.begin(cookieRequest(), newSessionID())
		require.Len(t, f.order, 1)
		require.Len(t, f.byID, 1)
	})
}
