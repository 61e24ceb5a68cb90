package mojo

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// TestTwoRequestsOfAFreshBrowser: each gets a session, and the browser keeps the one
// that comes last. The connection that it has opened under the other one comes
// again, so that a login finds it.
func TestTwoRequestsOfAFreshBrowser(t *testing.T) {
	byTheClock(t, func(t *testing.T, transport string) {
		h := newApp()
		srv, site := loginSite(t, siotest.Memory, h)
		b, second := newBrowser(t, site), newBrowser(t, site)
		b.visit("/who")
		second.visit("/who") // at the same moment, by another tab
		tab := b.dial(transport)
		tab.Connect(chatNamespace, nil)
		await(t, h.accepted)
		b.cookies = second.cookies // the browser keeps what has come last

		require.Equal(t, ReasonIdentityChanged, await(t, h.ended).reason)
		tab.Engine.AwaitClosed()
		b.dial(transport).Connect(chatNamespace, nil)
		await(t, h.accepted)
		time.Sleep(time.Minute)
		require.Empty(t, h.ended, "it comes again once")

		_, user := b.whoIs("/login?user=ann")
		require.Equal(t, "ann", user)
		require.Equal(t, ReasonIdentityChanged, await(t, h.ended).reason, "it was found, and has not proven anything")
		requireEmpty(t, srv)
	})
}

// TestFreshSessionsThatStay: a connection whose session is seen again, of a browser
// that says something else, or of one that comes later, is left alone.
func TestFreshSessionsThatStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newApp()
		_, site := loginSite(t, siotest.Memory, h)
		b, other, later := newBrowser(t, site), newBrowser(t, site), newBrowser(t, site)
		b.visit("/who")
		other.visit("/who")
		b.dial("websocket").Connect(chatNamespace, nil)
		time.Sleep(siblingSettle / 2)
		b.visit("/who") // with the session that it has
		time.Sleep(time.Minute)
		require.Empty(t, h.ended)

		later.visit("/who")
		later.dial("websocket").Connect(chatNamespace, nil)
		time.Sleep(siblingTime + time.Second)
		newBrowser(t, site).visit("/who")
		time.Sleep(time.Minute)
		require.Empty(t, h.ended)
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
