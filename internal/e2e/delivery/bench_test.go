package delivery

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/e2e"
)

// benchClient connects to the app Chat over TCP and calls received for each
// frame of the given size. It does nothing else, so that the benchmark measures
// the server.
func benchClient(b *testing.B, address, cookie string, size int, received func()) {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(b, err)
	b.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", address, cookie)
	require.NoError(b, err)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(b, err)
	require.Equal(b, http.StatusSwitchingProtocols, resp.StatusCode)
	readFrame := func() string {
		head := make([]byte, 2)
		_, err := io.ReadFull(r, head)
		require.NoError(b, err)
		payload := make([]byte, head[1]) // each payload here is shorter than 126 bytes
		_, err = io.ReadFull(r, payload)
		require.NoError(b, err)
		return string(payload)
	}
	require.True(b, strings.HasPrefix(readFrame(), "0{"))
	connect := "40" + e2e.ChatNamespace + ","
	_, err = conn.Write(append([]byte{0x81, 0x80 | byte(len(connect)), 0, 0, 0, 0}, connect...))
	require.NoError(b, err)
	require.True(b, strings.HasPrefix(readFrame(), connect))
	go func() {
		frame := make([]byte, size)
		for {
			if _, err := io.ReadFull(r, frame); err != nil {
				return
			}
			received()
		}
	}()
}

// benchFrame returns the size of the frame of an event, header included.
func benchFrame(text string) int { return len(`..42`+e2e.ChatNamespace+`,["event",""]`) + len(text) }

// BenchmarkChannelEmit sends an event of 70 bytes to all clients. An operation
// lasts from the call until all clients have received the event.
func BenchmarkChannelEmit(b *testing.B) {
	text := strings.Repeat("x", 70)
	for _, clients := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			srv, ch := e2e.ChatServer(b, e2e.NewApp())
			site := httptest.NewServer(srv)
			b.Cleanup(site.Close)
			var received sync.WaitGroup
			for range clients {
				benchClient(b, site.Listener.Addr().String(), "", benchFrame(text), received.Done)
			}
			b.ReportAllocs()
			for b.Loop() {
				received.Add(clients)
				if err := ch.Emit("event", text); err != nil {
					b.Fatal(err)
				}
				received.Wait()
			}
			b.ReportMetric(float64(b.N*clients)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkSessionEmit sends an event to a session with one connection. Its
// time must not depend on the number of other connections.
func BenchmarkSessionEmit(b *testing.B) {
	text := strings.Repeat("x", 70)
	for _, others := range []int{0, 1000} {
		b.Run(fmt.Sprintf("among %d others", others), func(b *testing.B) {
			srv, _ := e2e.ChatServer(b, e2e.NewApp())
			site := httptest.NewServer(srv)
			b.Cleanup(site.Close)
			var received sync.WaitGroup
			for i := range others + 1 {
				cookie := e2e.SessionCookie(fmt.Sprint("session-", i))
				benchClient(b, site.Listener.Addr().String(), cookie, benchFrame(text), received.Done)
			}
			one := srv.CurrentSessions().Get("session-0")
			require.Equal(b, 1, one.Len())
			b.ReportAllocs()
			for b.Loop() {
				received.Add(1)
				if err := one.Emit("event", text); err != nil {
					b.Fatal(err)
				}
				received.Wait()
			}
		})
	}
}
