package identity

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// Two requests of a browser without cookies each receive a session, and the
// browser keeps the later one. The login closes the connection with the other
// session. It reconnects, and the views have it.
func TestTwoRequestsOfAFreshBrowser(t *testing.T) {
	e2e.InVirtualTime(t, func(t *testing.T, transport string) {
		h := e2e.NewApp()
		srv, site := e2e.LoginSite(t, siotest.Memory, h)
		b, second := e2e.NewBrowser(t, site), e2e.NewBrowser(t, site)
		b.Visit("/who")
		second.Visit("/who")
		tab := b.Dial(transport)
		tab.Connect(e2e.ChatNamespace, nil)
		e2e.Await(t, h.Accepted)
		b = second // the browser stores the cookies of the later answer

		_, user := b.WhoIs("/login?user=ann")

		require.Equal(t, "ann", user)
		require.Equal(t, mojo.ReasonIdentityChanged, e2e.Await(t, h.Ended).Reason)
		tab.Engine.AwaitClosed()
		b.Dial(transport).Connect(e2e.ChatNamespace, nil)
		e2e.Await(t, h.Accepted)
		require.Equal(t, 1, srv.LoggedInSessions().Get("ann").Len())
		time.Sleep(time.Minute)
		require.Empty(t, h.Ended, "the server closes it only once")
	})
}

// If the two requests are concurrent, the server closes the connection without
// a login.
func TestConcurrentRequestsOfAFreshBrowser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := e2e.NewApp()
		srv, _ := e2e.ChatServer(t, h)
		both := make(chan struct{})
		mux := http.NewServeMux()
		mux.Handle("/socket.io/", srv)
		mux.HandleFunc("/first", func(http.ResponseWriter, *http.Request) { <-both })
		mux.HandleFunc("/second", func(http.ResponseWriter, *http.Request) { close(both) })
		site := siotest.Serve(t, siotest.Memory, srv.EnsureSession(mux))
		b, second := e2e.NewBrowser(t, site), e2e.NewBrowser(t, site)
		var requests sync.WaitGroup
		requests.Go(func() { b.Visit("/first") })
		synctest.Wait()
		second.Visit("/second")
		requests.Wait()
		b.Dial("websocket").Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)

		require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonIdentityChanged}, e2e.Await(t, h.Ended))

		second.Dial("websocket").Connect(e2e.ChatNamespace, nil)
		e2e.Await(t, h.Accepted)
		time.Sleep(time.Minute)
		require.Empty(t, h.Ended, "the server closes it only once")
	})
}

// A login does not close the connections of another browser, even if their
// session began much earlier or later, or the other browser has kept its
// session.
func TestFreshSessionsThatStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := e2e.NewApp()
		_, site := e2e.LoginSite(t, siotest.Memory, h)
		b, other, later := e2e.NewBrowser(t, site), e2e.NewBrowser(t, site), e2e.NewBrowser(t, site)
		b.Visit("/who")
		b.Dial("websocket").Connect(e2e.ChatNamespace, nil)
		conn := e2e.Await(t, h.Accepted)
		other.Visit("/who")
		other.Dial("websocket").Connect(e2e.ChatNamespace, nil)
		others := e2e.Await(t, h.Accepted)
		other.Visit("/login?user=ann")
		require.Equal(t, others, e2e.Await(t, h.Ended).Conn, "the connection has sent no proof")
		time.Sleep(6 * time.Second)
		later.Visit("/login?user=bob")
		time.Sleep(time.Minute)
		require.Empty(t, h.Ended)
		require.NotEmpty(t, conn.SessionID())
	})
}
