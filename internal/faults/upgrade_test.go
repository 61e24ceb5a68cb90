package faults

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// Clients upgrade one after the other while events and calls are sent in both
// directions, to the connection, to its session and to all connections. No
// event is lost, duplicated or reordered.
func TestUpgradeDuringTraffic(t *testing.T) {
	const pace, after = 200 * time.Microsecond, 20 // after is the number of events after the upgrade
	for _, n := range []siotest.Network{siotest.TCP, siotest.TLS} {
		t.Run(n.Name, func(t *testing.T) {
			h := newApp()
			received := make(chan int, 1<<20)
			h.Message = func(_ *mojo.Conn, m *mojo.Message) {
				var i int
				if err := m.Decode(&i); err != nil {
					t.Error(err)
				}
				if m.Event() == "up" {
					received <- i
				}
			}
			srv, ch := newServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{})}, h)
			site := siotest.Serve(t, n, srv)
			cookie := cookie("session", "")
			for range e2e.Rounds(500) {
				client, socket := dial(t, site, siotest.Options{Header: e2e.CookieHeader(cookie)})
				conn := e2e.Await(t, h.Accepted)
				upgraded := make(chan struct{})
				down := fire(pace, after, upgraded, func(i int) error {
					switch i % 3 {
					case 0:
						return conn.Emit("down", i)
					case 1:
						return ch.Emit("down", i)
					default:
						return srv.CurrentSessions().Get("session").Emit("down", i)
					}
				})
				up := fire(pace, after, upgraded, func(i int) error { socket.Emit("up", i); return nil })
				answers := make(chan error, 1)
				go func() {
					_, err := conn.EmitWithAck(t.Context(), "call")
					answers <- err
				}()
				call := socket.Ask("echo", 1)

				client.Engine.Upgrade()
				close(upgraded)
				sentDown, sentUp := e2e.Await(t, down), e2e.Await(t, up)
				require.NoError(t, errors.Join(sentDown.err, sentUp.err))

				for next, called := 0, false; next < sentDown.n || !called; {
					e := socket.Next()
					if e.Name == "call" {
						require.False(t, called)
						called = true
						e.Reply()
						continue
					}
					var i int
					e.Arg(0, &i)
					require.Equal(t, next, i)
					next++
				}
				for i := range sentUp.n {
					require.Equal(t, i, e2e.Await(t, received))
				}
				require.Equal(t, "[1]", call.Wait().JSON())
				require.NoError(t, e2e.Await(t, answers))
				socket.ExpectNothing()
				require.Empty(t, received)
				require.Equal(t, mojo.WebSocket, conn.Transport())
				client.Close()
				require.Equal(t, e2e.End{Conn: conn, Reason: mojo.ReasonTransportClose}, e2e.Await(t, h.Ended))
			}
		})
	}
}

// fireResult has the number of calls of a function, and its first error.
type fireResult struct {
	n   int
	err error
}

// fire calls do once in each pace. After happened is closed, it calls do count
// more times and stops. It also stops at the first error.
func fire(pace time.Duration, count int, happened <-chan struct{}, do func(i int) error) <-chan fireResult {
	ended := make(chan fireResult, 1)
	go func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		remaining := count
		var f fireResult
		for ; remaining > 0 && f.err == nil; f.n++ {
			<-tick.C
			select {
			case <-happened:
				remaining--
			default:
			}
			f.err = do(f.n)
		}
		ended <- f
	}()
	return ended
}

// A CONNECT in the same segment as the handshake is never dropped.
func TestConnectInTheSameSegment(t *testing.T) {
	const workers = 4
	h := newApp()
	h.Connect = func(c *mojo.Conn) error { return c.Emit("first") }
	srv, _ := newServer(t, mojo.Options{}, h)
	site := siotest.Serve(t, siotest.TCP, srv)
	n := e2e.Rounds(100_000)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range n / workers {
				c, err := crowd.Connect(t.Context(), site.Host(), crowd.Options{Number: i*workers + w})
				if err == nil {
					err = c.Await(t.Context(), "42"+e2e.ChatNamespace+`,["first"]`)
					c.Reset()
				}
				if err != nil {
					t.Error("connection", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	e2e.WaitUntil(t, "every connection has ended", func() bool { return srv.Stats().Connections == 0 })
	require.Len(t, h.Accepted, n)
	require.EqualValues(t, n, srv.Stats().Opened)
}
