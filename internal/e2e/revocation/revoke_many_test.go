package revocation

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/race"
	"github.com/mojosocket/mojo/internal/siotest"
)

// joinAll connects n RawClients to Chat, 16 at a time.
func joinAll(t testing.TB, n int, dial func(i int) (net.Conn, error), cookies func(i int) http.Header) []e2e.RawClient {
	t.Helper()
	clients := make([]e2e.RawClient, n)
	var next, failed atomic.Int64
	var joining sync.WaitGroup
	for range 16 {
		joining.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && failed.Load() == 0; i = int(next.Add(1)) - 1 {
				conn, err := dial(i)
				if err == nil {
					clients[i], err = e2e.ConnectRaw(conn, cookies(i))
				}
				if err != nil {
					failed.Add(1)
					t.Error(err)
				}
			}
		})
	}
	joining.Wait()
	require.Zero(t, failed.Load())
	return clients
}

// Revoke of a user with thousands of connections runs while goroutines emit to
// them all the time. After it has returned, no connection is in a view or
// receives an event. All clients have received the reason, and their
// connections are closed.
func TestRevokeMany(t *testing.T) {
	n := 180
	if os.Getenv("MOJO_LONG") == "1" {
		n = 9000
		if race.Enabled {
			n = 4000 // the race detector is limited to 8,128 goroutines
		}
	}
	for _, network := range []siotest.Network{siotest.TCP, siotest.Memory} {
		t.Run(network.Name, func(t *testing.T) {
			h := &e2e.App{Accepted: make(chan *mojo.Conn, n), Ended: make(chan e2e.End, n)}
			srv := e2e.NewServer(t, mojo.Options{Cookies: e2e.NewCookies(t, mojo.CookieOptions{}), Limits: mojo.Limits{MaxQueue: 16 << 20}})
			ch := e2e.Register(t, srv, "Chat", h)
			site := siotest.Serve(t, network, srv)
			clients := joinAll(t, n, func(int) (net.Conn, error) { return site.Dial(t.Context()) },
				func(i int) http.Header {
					return e2e.CookieHeader(e2e.SessionCookie(fmt.Sprint("s", i/3)), e2e.LoginCookie("ann"))
				})
			user := srv.LoggedInSessions().Get("ann")
			require.Equal(t, n, user.Len())
			var number atomic.Int64
			var emitting sync.WaitGroup
			stop := make(chan struct{})
			for range 2 {
				emitting.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							_ = user.Emit("note", number.Add(1))
							for c := range user.Conns() {
								_ = c.Emit("note", number.Add(1))
							}
						}
					}
				})
			}
			for number.Load() == 0 {
				runtime.Gosched()
			}

			err := user.Revoke(t.Context(), mojo.Revocation{})
			after := number.Load()

			e2e.RequireEmptyViews(t, srv, ch)
			require.NoError(t, err)
			for range n {
				c := e2e.Await(t, h.Accepted)
				require.ErrorIs(t, c.Emit("note", number.Add(1)), mojo.ErrNotConnected)
			}
			close(stop)
			emitting.Wait()
			for _, w := range clients {
				got, err := w.Rest()
				require.NoError(t, err)
				farewell := `42/ChatSocket,["mojo:revoked",{"code":4001,"reason":"session revoked","reconnect":false}]` + "\x81\x0e41/ChatSocket,\x88\x02\x03\xe8"
				require.True(t, bytes.HasSuffix(got, []byte(farewell)), "%q", got[max(0, len(got)-300):])
				for _, n := range e2e.NoteNumbers(t, got) {
					require.LessOrEqual(t, n, after)
				}
			}
			for range n {
				require.Equal(t, mojo.ReasonRevoked, e2e.Await(t, h.Ended).Reason)
			}
			e2e.Shutdown(t, srv)
		})
	}
}

// BenchmarkRevoke revokes a user with many connections. For comparison it also
// writes as many bytes to as many bare TCP connections and closes them. An
// operation ends when each client has read until the end. The metric ratio is
// the quotient of the two times.
//
//	MOJO_LONG=1 go test -run '^$' -bench Revoke -benchtime 5x
func BenchmarkRevoke(b *testing.B) {
	n := 180
	if os.Getenv("MOJO_LONG") == "1" {
		n = 9000
	}
	loopback := func(addr string) func(i int) (net.Conn, error) { // 2,000 connections from each address
		return func(i int) (net.Conn, error) {
			from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i/2000))}
			return (&net.Dialer{LocalAddr: from}).Dial("tcp", addr)
		}
	}
	var revoking, bare time.Duration
	for range b.N {
		h := &e2e.App{Accepted: make(chan *mojo.Conn, n), Ended: make(chan e2e.End, n)}
		srv, _ := e2e.ChatServer(b, h)
		site := siotest.Serve(b, siotest.TCP, srv)
		clients := joinAll(b, n, loopback(site.Host()), func(i int) http.Header {
			return e2e.CookieHeader(e2e.SessionCookie(fmt.Sprint("s", i)), e2e.LoginCookie("ann"))
		})
		var total int
		revoking += timeToEnd(b, clients, &total, func() { _ = srv.LoggedInSessions().Get("ann").Revoke(b.Context(), mojo.Revocation{}) })
		require.NoError(b, srv.Close())

		conns, clients := bareConns(b, n, loopback)
		farewell := make([]byte, total/n)
		bare += timeToEnd(b, clients, new(int), func() {
			for _, conn := range conns {
				_, _ = conn.Write(farewell)
				_ = conn.Close()
			}
		})
	}
	b.ReportMetric(float64(revoking)/float64(bare), "ratio")
	b.ReportMetric(float64(revoking.Nanoseconds())/float64(b.N), "ns/op")
	b.ReportMetric(float64(bare.Nanoseconds())/float64(b.N), "bare-ns/op")
}

// bareConns returns both ends of n TCP connections without a server.
func bareConns(b *testing.B, n int, loopback func(addr string) func(i int) (net.Conn, error)) (conns []net.Conn, clients []e2e.RawClient) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer listener.Close()
	dial := loopback(listener.Addr().String())
	for i := range n {
		client, err := dial(i)
		require.NoError(b, err)
		conn, err := listener.Accept()
		require.NoError(b, err)
		conns, clients = append(conns, conn), append(clients, e2e.RawClient{Conn: client})
	}
	return conns, clients
}

// timeToEnd returns the time from the call of act until all clients have read
// until the end. It sets total to the number of bytes that they have read.
func timeToEnd(b *testing.B, clients []e2e.RawClient, total *int, act func()) time.Duration {
	var reading sync.WaitGroup
	var ready atomic.Int64
	var read atomic.Int64
	for _, w := range clients {
		reading.Go(func() {
			buf := make([]byte, 1<<10)
			ready.Add(1)
			for {
				n, err := w.Read(buf)
				read.Add(int64(n))
				if err != nil {
					_ = w.Close()
					return
				}
			}
		})
	}
	for ready.Load() < int64(len(clients)) {
		runtime.Gosched()
	}
	began := time.Now()
	act()
	reading.Wait()
	elapsed := time.Since(began)
	*total = int(read.Load())
	return elapsed
}
