package faults

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
	"github.com/mojosocket/mojo/internal/siotest/crowd"
)

// TestUpgradeUnderFire: events and calls in both directions, to the connection, its session and everybody, while one
// client after another is upgraded. None is lost, doubled or reordered.
func TestUpgradeUnderFire(t *testing.T) {
	const pace, after = 200 * time.Microsecond, 20 // events that follow the upgrade
	for _, n := range []siotest.Network{siotest.TCP, siotest.TLS} {
		t.Run(n.Name, func(t *testing.T) {
			h := newApp()
			heard := make(chan int, 1<<20)
			h.message = func(_ *mojo.Conn, m *mojo.Message) {
				var i int
				if err := m.Decode(&i); err != nil {
					t.Error(err)
				}
				if m.Event() == "up" {
					heard <- i
				}
			}
			cookies := newCookies(t)
			srv, ch := newServer(t, mojo.Options{Cookies: cookies}, h)
			site := siotest.Serve(t, n, srv)
			cookie := as(t, cookies, "session", "")
			for range times(500) {
				client, socket := dial(t, site, siotest.Options{Header: header(cookie)})
				conn := await(t, h.accepted)
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
				sentDown, sentUp := await(t, down), await(t, up)
				require.NoError(t, errors.Join(sentDown.err, sentUp.err))

				for next, asked := 0, false; next < sentDown.n || !asked; {
					e := socket.Next()
					if e.Name == "call" {
						require.False(t, asked)
						asked = true
						e.Reply()
						continue
					}
					var i int
					e.Arg(0, &i)
					require.Equal(t, next, i)
					next++
				}
				for i := range sentUp.n {
					require.Equal(t, i, await(t, heard))
				}
				require.Equal(t, "[1]", call.Wait().JSON())
				require.NoError(t, await(t, answers))
				socket.ExpectNothing()
				require.Empty(t, heard)
				require.Equal(t, mojo.WebSocket, conn.Transport())
				client.Close()
				require.Equal(t, ending{conn, mojo.ReasonTransportClose}, await(t, h.ended))
			}
		})
	}
}

// fired is how often something was done, and the first error.
type fired struct {
	n   int
	err error
}

// fire does something over and over, until a while after something else has happened.
func fire(pace time.Duration, after int, happened <-chan struct{}, do func(i int) error) <-chan fired {
	ended := make(chan fired, 1)
	go func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		left := after
		var f fired
		for ; left > 0 && f.err == nil; f.n++ {
			<-tick.C
			select {
			case <-happened:
				left--
			default:
			}
			f.err = do(f.n)
		}
		ended <- f
	}()
	return ended
}

// TestConnectInTheSameSegment as the handshake is never dropped.
func TestConnectInTheSameSegment(t *testing.T) {
	const workers = 4
	h := newApp()
	h.connect = func(c *mojo.Conn) error { return c.Emit("first") }
	srv, _ := newServer(t, mojo.Options{}, h)
	site := siotest.Serve(t, siotest.TCP, srv)
	n := times(100_000)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range n / workers {
				c, err := crowd.Connect(t.Context(), site.Host(), crowd.Options{Number: i*workers + w})
				if err == nil {
					err = c.Await(t.Context(), "42"+namespace+`,["first"]`)
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
	waitUntil(t, "all have ended", func() bool { return srv.Stats().Connections == 0 })
	require.Len(t, h.accepted, n)
	require.EqualValues(t, n, srv.Stats().Opened)
}
