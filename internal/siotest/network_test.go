package siotest

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNetworksServeHTTP(t *testing.T) {
	Each(t, func(t *testing.T, n Network) {
		site := Serve(t, n, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, r.Proto+" "+r.Host)
		}))
		get := func(c *http.Client) string {
			res, err := c.Get(site.URL)
			require.NoError(t, err)
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			return string(body)
		}
		require.Equal(t, "HTTP/1.1 "+site.Host(), get(site.Client()))
		require.Equal(t, n, site.Network())
		if n == TLS {
			require.Equal(t, "HTTP/2.0 "+site.Host(), get(site.HTTP2Client()))
		}

		conn, err := site.Dial(t.Context())
		require.NoError(t, err)
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: raw.test\r\nConnection: close\r\n\r\n")
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Contains(t, string(answer), "HTTP/1.1 raw.test")
	})
}

// A Site of a server that is somewhere else ends its connections, not the
// server.
func TestAt(t *testing.T) {
	site := Serve(t, TCP, &fakeServer{})
	var client *Client
	t.Run("elsewhere", func(t *testing.T) {
		client = Dial(t, At(t, site.Host()), Options{Transport: "websocket"})
		client.Connect("/chat", nil).Emit("echo", 1)
	})
	require.Equal(t, ReasonClientDrop, client.Engine.CloseReason())
	socket := Dial(t, site, Options{Transport: "websocket"}).Connect("/chat", nil)
	socket.Emit("echo", 2)
	socket.Expect("echo", 2)
}

func TestSiteCutsHijackedConnections(t *testing.T) {
	Each(t, func(t *testing.T, n Network) {
		ended := make(chan error, 1)
		t.Run("site", func(t *testing.T) {
			site := Serve(t, n, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, _, _ := http.NewResponseController(w).Hijack()
				io.WriteString(conn, "hijacked")
				go func() {
					defer conn.Close()
					_, err := conn.Read(make([]byte, 1))
					ended <- err
				}()
			}))
			conn, err := site.Dial(t.Context())
			require.NoError(t, err)
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			_, err = io.ReadFull(conn, make([]byte, len("hijacked")))
			require.NoError(t, err)
		})
		require.Error(t, <-ended)
	})
}

func TestMemoryConnection(t *testing.T) {
	pair := func(t *testing.T, size int) (client, server net.Conn) {
		l := newMemoryListener()
		accepted := make(chan net.Conn, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				accepted <- c
			}
		}()
		client, err := l.dial(t.Context(), size)
		require.NoError(t, err)
		server = <-accepted
		t.Cleanup(func() { client.Close(); server.Close(); l.Close() })
		return client, server
	}
	t.Run("writes do not wait for the reader", func(t *testing.T) {
		client, server := pair(t, 10)
		io.WriteString(server, "hello")
		io.WriteString(client, strings.Repeat("x", 1000))
		server.Close()
		got, err := io.ReadAll(client)
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		_, err = client.Write([]byte("x"))
		require.ErrorIs(t, err, io.ErrClosedPipe)
	})
	t.Run("half closed", func(t *testing.T) {
		client, server := pair(t, 10)
		server.(*memoryConn).CloseWrite()
		_, err := client.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		io.WriteString(client, "still")
		client.Close()
		got, err := io.ReadAll(server)
		require.NoError(t, err)
		require.Equal(t, "still", string(got))
		_, err = client.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
	})
	t.Run("full buffer and deadlines", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := pair(t, 10)
			start := time.Now()
			server.SetWriteDeadline(start.Add(3 * time.Second))
			n, err := server.Write(make([]byte, 25))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, 10, n)
			require.Equal(t, 3*time.Second, time.Since(start))
			server.SetWriteDeadline(time.Time{})

			written := make(chan int, 1)
			go func() {
				n, _ := server.Write(make([]byte, 25))
				written <- n
			}()
			io.ReadFull(client, make([]byte, 35))
			require.Equal(t, 25, <-written)

			client.SetReadDeadline(time.Now().Add(time.Minute))
			client.SetReadDeadline(time.Now().Add(time.Second))
			_, err = client.Read(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, 4*time.Second, time.Since(start))
		})
	})
	t.Run("interrupted read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := pair(t, 10)
			time.AfterFunc(time.Second, func() { client.SetReadDeadline(past) })
			_, err := client.Read(make([]byte, 1))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			client.SetReadDeadline(time.Time{})
			time.AfterFunc(time.Second, func() { server.Close() })
			_, err = client.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
		})
	})
	t.Run("no Accept", func(t *testing.T) {
		l := newMemoryListener()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := l.dial(ctx, 0)
		require.ErrorIs(t, err, context.Canceled)
		l.Close()
		_, err = l.dial(t.Context(), 0)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}
