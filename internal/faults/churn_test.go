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
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// In four rounds connections begin and end, in every way and with every
// transport, with sessions, users and rooms. After each round the process uses
// no more goroutines, files and heap than after the first one.
func TestChurn(t *testing.T) {
	const rounds = 4
	n := e2e.Rounds(40_000) / rounds
	h := newApp()
	h.Connect = func(c *mojo.Conn) error { return c.Join("room", c.ID()) }
	srv, ch := newServer(t, mojo.Options{
		Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Timeouts: mojo.Timeouts{PresenceGrace: time.Millisecond}, OnPresence: func(mojo.Presence) {},
	}, h)
	site := siotest.Serve(t, siotest.TCP, srv)

	var goroutines, files int
	var heap int64
	for round := range rounds {
		churn(t, srv, site, h, n)
		e2e.WaitUntil(t, "every connection has ended", func() bool { s := srv.Stats(); return s.Connections == 0 && s.WebSockets == 0 })
		requireNoConnections(t, srv, ch)
		e2e.WaitUntil(t, "all users and sessions are offline", func() bool {
			return len(srv.CurrentSessions().Online("s0", "s1", "s2")) == 0 && len(srv.LoggedInSessions().Online("u0", "u1")) == 0
		})
		require.Len(t, h.Ended, n, "OnDisconnect runs once for each")
		for range n {
			require.NotEmpty(t, (<-h.Ended).Reason)
			<-h.Accepted
		}
		if round == 0 {
			afterServing(t, func() { goroutines, files, heap = runtime.NumGoroutine(), e2e.Descriptors(), e2e.LiveHeap() })
			continue
		}
		e2e.WaitUntil(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
		e2e.WaitUntil(t, "no more file descriptors than before", func() bool { return e2e.Descriptors() <= files+2 })
		e2e.WaitUntil(t, "no more heap than before", func() bool { return e2e.LiveHeap() <= heap+heap/20 })
		t.Logf("round %d: %d goroutines (%d), %d files (%d), %d bytes (%d)", round+1,
			runtime.NumGoroutine(), goroutines, e2e.Descriptors(), files, e2e.LiveHeap(), heap)
	}
}

// afterServing calls measure when the http.Server has closed its connections.
func afterServing(t *testing.T, measure func()) {
	t.Helper()
	files := e2e.Descriptors()
	e2e.WaitUntil(t, "the number of file descriptors does not fall", func() bool {
		before := files
		files = e2e.Descriptors()
		return files >= before
	})
	measure()
}

// churn connects n clients, up to a hundred at a time, and ends their
// connections.
func churn(t *testing.T, srv *mojo.Server, site *siotest.Site, h app, n int) {
	t.Helper()
	running := make(chan struct{}, 100)
	var wg sync.WaitGroup
	for i := range n {
		running <- struct{}{}
		cookie := cookie(fmt.Sprint("s", i), fmt.Sprint("u", i))
		wg.Go(func() {
			defer func() { <-running }()
			var err error
			if i%10 == 0 {
				err = runSiotestClient(t, srv, site, i/10, cookie)
			} else {
				err = runCrowdClient(t, srv, site, i, cookie)
			}
			if err != nil {
				t.Error("client", i, err)
			}
		})
	}
	wg.Wait()
	e2e.WaitUntil(t, "OnDisconnect has run for each connection", func() bool { return len(h.Ended) == n })
}

// ways is the number of ways to end a connection.
const ways = 5

// endByServer ends the connection with this id, if in this way the server ends
// it.
func endByServer(srv *mojo.Server, way int, id string) (ended bool, err error) {
	ch, _ := srv.Channel("Chat")
	c, ok := ch.Conn(id)
	if !ok {
		return false, fmt.Errorf("there is no connection %q", id)
	}
	switch way {
	case 0:
		return true, c.Disconnect()
	case 1:
		return true, srv.CurrentSessions().Get(c.SessionID()).Revoke(context.Background(), mojo.Revocation{Reconnect: true})
	}
	return false, nil
}

// runCrowdClient connects a client of package crowd by WebSocket and ends its
// connection.
func runCrowdClient(t *testing.T, srv *mojo.Server, site *siotest.Site, i int, cookie string) error {
	c, err := crowd.Open(t.Context(), site.Host(), crowd.Options{Number: i, Cookie: cookie}, "40"+e2e.ChatNamespace+",")
	if err != nil {
		return err
	}
	defer c.Reset()
	answer, err := c.Next()
	if err != nil {
		return err
	}
	var id string
	if _, err := fmt.Sscanf(answer, "40"+e2e.ChatNamespace+`,{"sid":%q}`, &id); err != nil {
		return err
	}
	if err := c.Send(c.Event("event", `,"x"`)); err != nil {
		return err
	}
	way := i % ways
	if ended, err := endByServer(srv, way, id); ended || err != nil {
		_, _ = c.Next() // the disconnect packet, or the reason of a revocation
		return err
	}
	switch way {
	case 2:
		return c.Send("41" + e2e.ChatNamespace + ",")
	case 3:
		return c.Close()
	}
	return nil // the deferred Reset ends the connection
}

// runSiotestClient connects a client of package siotest by polling, with or
// without an upgrade, and ends its connection. It does not drop a polling
// client, because only the heartbeat would notice that.
func runSiotestClient(t *testing.T, srv *mojo.Server, site *siotest.Site, i int, cookie string) error {
	transport := []string{"polling", "upgrade"}[i%2]
	client, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport, Header: e2e.CookieHeader(cookie)})
	if err != nil {
		return err
	}
	defer client.Engine.Drop()
	socket := client.Connect(e2e.ChatNamespace, nil)
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
