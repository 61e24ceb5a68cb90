package mojo

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/race"
	"github.com/mojosocket/mojo/internal/siotest"
)

// wire is a WebSocket of the app Chat below all clients: bytes that nobody reads until the test does.
type wire struct {
	net.Conn
	got []byte // by join
}

var accepted = regexp.MustCompile(`40/ChatSocket,\{"sid":"[^"]*"\}`)

// join opens a WebSocket and connects to Chat, and returns when both were answered.
func join(conn net.Conn, cookies http.Header) (wire, error) {
	frame := "40" + chatNamespace + ","
	_, err := fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"+
		"Cookie: %s\r\n\r\n\x81%s\x00\x00\x00\x00%s", cookies.Get("Cookie"), []byte{0x80 | byte(len(frame))}, frame)
	if err != nil {
		return wire{}, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(siotest.Limit))
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	var got []byte
	buf := make([]byte, 2<<10)
	for !accepted.Match(got) {
		n, err := conn.Read(buf)
		if err != nil {
			return wire{}, fmt.Errorf("%w, after %q", err, got)
		}
		got = append(got, buf[:n]...)
	}
	return wire{conn, got}, nil
}

// joinAll opens n of them, 16 at a time.
func joinAll(t testing.TB, n int, dial func(i int) (net.Conn, error), cookies func(i int) http.Header) []wire {
	t.Helper()
	wires := make([]wire, n)
	var next, failed atomic.Int64
	var joining sync.WaitGroup
	for range 16 {
		joining.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && failed.Load() == 0; i = int(next.Add(1)) - 1 {
				conn, err := dial(i)
				if err == nil {
					wires[i], err = join(conn, cookies(i))
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
	return wires
}

// rest reads to the end, leaves, and returns all that has ever come.
func (w wire) rest() ([]byte, error) {
	defer w.Close()
	_ = w.SetReadDeadline(time.Now().Add(siotest.Limit))
	rest, err := io.ReadAll(w)
	return append(w.got, rest...), err
}

// leave sends a Close frame, which ends what comes.
func (w wire) leave() { _, _ = w.Write([]byte{0x88, 0x80, 0, 0, 0, 0}) }

// numbersOf returns the numbers of the note events in what came.
func numbersOf(t testing.TB, got []byte) (numbers []int64) {
	t.Helper()
	for _, note := range noteEvents.FindAllSubmatch(got, -1) {
		n, err := strconv.ParseInt(string(note[1]), 10, 64)
		require.NoError(t, err)
		numbers = append(numbers, n)
	}
	return numbers
}

var noteEvents = regexp.MustCompile(`"note",(\d+)`)

// TestRevokeMany: thousands of sockets of one user, to which many goroutines send all the time. When Revoke has
// returned none is in an index or gets anything any more; all are told and closed.
func TestRevokeMany(t *testing.T) {
	n := 180
	if os.Getenv("MOJO_LONG") == "1" {
		n = 9000
		if race.Enabled {
			n = 4000 // the race detector knows 8,128 goroutines
		}
	}
	for _, network := range []siotest.Network{siotest.TCP, siotest.Memory} {
		t.Run(network.Name, func(t *testing.T) {
			h := &app{accepted: make(chan *Conn, n), ended: make(chan ending, n)}
			srv := newTestServer(t, Options{Cookies: newTestCookies(t, CookieOptions{}), Limits: Limits{MaxQueue: 16 << 20}})
			ch := register(t, srv, "Chat", h)
			site := siotest.Serve(t, network, srv)
			wires := joinAll(t, n, func(int) (net.Conn, error) { return site.Dial(t.Context()) },
				func(i int) http.Header { return as(inSession(fmt.Sprint("s", i/3)), asUser("ann")) })
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

			err := user.Revoke(t.Context(), Revocation{})
			after := number.Load()

			requireEmpty(t, srv, ch)
			require.NoError(t, err)
			for range n {
				c := await(t, h.accepted)
				require.ErrorIs(t, c.Emit("note", number.Add(1)), ErrNotConnected)
			}
			close(stop)
			emitting.Wait()
			for _, w := range wires {
				got, err := w.rest()
				require.NoError(t, err)
				farewell := `42/ChatSocket,["mojo:revoked",{"code":4001,"reason":"session revoked","reconnect":false}]` + "\x81\x0e41/ChatSocket,\x88\x02\x03\xe8"
				require.True(t, bytes.HasSuffix(got, []byte(farewell)), "%q", got[max(0, len(got)-300):])
				for _, n := range numbersOf(t, got) {
					require.LessOrEqual(t, n, after)
				}
			}
			for range n {
				require.Equal(t, ReasonRevoked, await(t, h.ended).reason)
			}
			shutdown(t, srv)
		})
	}
}

// BenchmarkRevoke closes the sockets of one user, beside a bare loop that writes as much to as many connections and
// closes them. Both are over when each client has read the end. The ratio is that of their times.
//
//	MOJO_LONG=1 go test -run '^$' -bench Revoke -benchtime 5x
func BenchmarkRevoke(b *testing.B) {
	n := 180
	if os.Getenv("MOJO_LONG") == "1" {
		n = 9000
	}
	loopback := func(addr string) func(i int) (net.Conn, error) { // 2,000 ports of each address
		return func(i int) (net.Conn, error) {
			from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i/2000))}
			return (&net.Dialer{LocalAddr: from}).Dial("tcp", addr)
		}
	}
	var revoking, bare time.Duration
	for range b.N {
		h := &app{accepted: make(chan *Conn, n), ended: make(chan ending, n)}
		srv, _ := chatServer(b, h)
		site := siotest.Serve(b, siotest.TCP, srv)
		wires := joinAll(b, n, loopback(site.Host()), func(i int) http.Header { return as(inSession(fmt.Sprint("s", i)), asUser("ann")) })
		var told int
		revoking += timeToEnd(b, wires, &told, func() { _ = srv.LoggedInSessions().Get("ann").Revoke(b.Context(), Revocation{}) })
		require.NoError(b, srv.Close())

		conns, wires := bareConns(b, n, loopback)
		farewell := make([]byte, told/n)
		bare += timeToEnd(b, wires, new(int), func() {
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

// bareConns is n connections that no server cares for.
func bareConns(b *testing.B, n int, loopback func(addr string) func(i int) (net.Conn, error)) (conns []net.Conn, wires []wire) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer listener.Close()
	dial := loopback(listener.Addr().String())
	for i := range n {
		client, err := dial(i)
		require.NoError(b, err)
		conn, err := listener.Accept()
		require.NoError(b, err)
		conns, wires = append(conns, conn), append(wires, wire{Conn: client})
	}
	return conns, wires
}

// timeToEnd is how long it takes from act until all clients have read the end. It adds what they read to told.
func timeToEnd(b *testing.B, wires []wire, told *int, act func()) time.Duration {
	var reading sync.WaitGroup
	var ready atomic.Int64
	var read atomic.Int64
	for _, w := range wires {
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
	for ready.Load() < int64(len(wires)) {
		runtime.Gosched()
	}
	began := time.Now()
	act()
	reading.Wait()
	took := time.Since(began)
	*told = int(read.Load())
	return took
}
