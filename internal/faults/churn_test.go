package faults

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// TestChurn: connections come and go in four rounds, in every way and by every transport, with sessions, users and
// rooms. Each round leaves as much as the first one did.
func TestChurn(t *testing.T) {
	const rounds = 4
	n := times(40_000) / rounds
	cookies := newCookies(t)
	h := newApp()
	h.connect = func(c *mojo.Conn) error { return c.Join("room", c.ID()) }
	srv, ch := newServer(t, mojo.Options{
		Cookies: cookies, Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}, OnPresence: func(mojo.Presence) {},
	}, h)
	site := siotest.Serve(t, siotest.TCP, srv)

	var goroutines, files int
	var heap int64
	for round := range rounds {
		churn(t, srv, site, h, cookies, n)
		waitUntil(t, "all have gone", func() bool { s := srv.Stats(); return s.Connections == 0 && s.WebSockets == 0 })
		requireNobody(t, srv, ch)
		waitUntil(t, "nobody is online", func() bool {
			return len(srv.CurrentSessions().Online("s0", "s1", "s2")) == 0 && len(srv.LoggedInSessions().Online("u0", "u1")) == 0
		})
		require.Len(t, h.ended, n, "each is told of once")
		for range n {
			require.NotEmpty(t, (<-h.ended).reason)
			<-h.accepted
		}
		if round == 0 {
			settle(t, func() { goroutines, files, heap = runtime.NumGoroutine(), descriptors(), liveHeap() })
			continue
		}
		waitUntil(t, "goroutines are where they were", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
		waitUntil(t, "file descriptors are where they were", func() bool { return descriptors() <= files+2 })
		waitUntil(t, "the heap is what it was", func() bool { return liveHeap() <= heap+heap/20 })
		t.Logf("round %d: %d goroutines (%d), %d files (%d), %d bytes (%d)", round+1,
			runtime.NumGoroutine(), goroutines, descriptors(), files, liveHeap(), heap)
	}
}

// settle takes a measure when the HTTP server has let go of what it served.
func settle(t *testing.T, measure func()) {
	t.Helper()
	files := descriptors()
	waitUntil(t, "it is quiet", func() bool {
		before := files
		files = descriptors()
		return files >= before
	})
	measure()
}

// churn has n clients come and go, at most some hundred at a time.
func churn(t *testing.T, srv *mojo.Server, site *siotest.Site, h *app, cookies *mojo.Cookies, n int) {
	t.Helper()
	turns := make(chan struct{}, 100)
	var wg sync.WaitGroup
	for i := range n {
		turns <- struct{}{}
		cookie := as(t, cookies, fmt.Sprint("s", i), fmt.Sprint("u", i))
		wg.Go(func() {
			defer func() { <-turns }()
			var err error
			if i%10 == 0 {
				err = siotestComesAndGoes(t, srv, site, i/10, cookie)
			} else {
				err = crowdComesAndGoes(t, srv, site, i, cookie)
			}
			if err != nil {
				t.Error("client", i, err)
			}
		})
	}
	wg.Wait()
	waitUntil(t, "all are told of", func() bool { return len(h.ended) == n })
}

// ways is how many ways there are for a connection to end.
const ways = 5

// endByServer ends the connection of an id, if that is the way.
func endByServer(srv *mojo.Server, way int, id string) (ended bool, err error) {
	ch, _ := srv.Channel("Chat")
	c, ok := ch.Conn(id)
	if !ok {
		return false, fmt.Errorf("connection %q is not there", id)
	}
	switch way {
	case 0:
		return true, c.Disconnect()
	case 1:
		return true, srv.CurrentSessions().Get(c.SessionID()).Revoke(context.Background(), mojo.Revocation{Reconnect: true})
	}
	return false, nil
}

// crowdComesAndGoes over a WebSocket.
func crowdComesAndGoes(t *testing.T, srv *mojo.Server, site *siotest.Site, i int, cookie string) error {
	c, err := crowd.Open(t.Context(), site.Host(), crowd.Options{Number: i, Cookie: cookie}, "40"+namespace+",")
	if err != nil {
		return err
	}
	defer c.Reset()
	answer, err := c.Next()
	if err != nil {
		return err
	}
	var id string
	if _, err := fmt.Sscanf(answer, "40"+namespace+`,{"sid":%q}`, &id); err != nil {
		return err
	}
	if err := c.Send(c.Event("event", `,"x"`)); err != nil {
		return err
	}
	way := i % ways
	if ended, err := endByServer(srv, way, id); ended || err != nil {
		_, _ = c.Next() // the disconnect packet, or why it is revoked
		return err
	}
	switch way {
	case 2:
		return c.Send("41" + namespace + ",")
	case 3:
		return c.Close()
	}
	return nil // cut
}

// siotestComesAndGoes by polling, or upgraded. Who is cut while it does not poll is missed by the heartbeat alone, so
// none is.
func siotestComesAndGoes(t *testing.T, srv *mojo.Server, site *siotest.Site, i int, cookie string) error {
	transport := []string{"polling", "upgrade"}[i%2]
	client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: header(cookie)})
	if err != nil {
		return err
	}
	defer client.Engine.Drop()
	socket := client.Connect(namespace, nil)
	socket.Emit("event", []byte("x"))
	way := i / 2 % ways
	ended, err := endByServer(srv, way, socket.SID())
	if ended {
		socket.AwaitDisconnected()
	} else if way == 2 {
		socket.Disconnect()
	}
	client.Close()
	return err
}
