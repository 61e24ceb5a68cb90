package mojo

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/siotest"
)

// limited serves a Server with the app Chat and these limits.
func limited(t testing.TB, n siotest.Network, h SocketHandler, opts Options) (*Server, *siotest.Site) {
	t.Helper()
	srv := newTestServer(t, opts)
	register(t, srv, "Chat", h)
	return srv, siotest.Serve(t, n, srv)
}

// requireFull requires that no connection is taken, so that the client comes again.
func requireFull(t testing.TB, site *siotest.Site, transport string) {
	t.Helper()
	_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport})
	var refused *siotest.HTTPError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusServiceUnavailable, refused.Status)
	require.Contains(t, refused.Body, "Too many connections")
}

// TestServerTakesMaxConns: above it nobody is taken, until somebody has gone.
func TestServerTakesMaxConns(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := newApp()
		srv, site := limited(t, n, h, Options{Limits: Limits{MaxConns: 2}})
		first := dial(t, site, transport)
		first.Connect(chatNamespace, nil)
		second := dial(t, site, transport)
		second.Connect(chatNamespace, nil)
		handshake := transport
		if transport == "upgrade" {
			handshake = "polling"
		}
		requireFull(t, site, handshake)

		first.Close()
		await(t, h.ended)
		first.Engine.AwaitClosed()

		require.Eventually(t, func() bool { return srv.Stats().Connections == 1 }, siotest.Limit, time.Millisecond)
		dial(t, site, transport).Connect(chatNamespace, nil)
		require.EqualValues(t, 1, srv.Stats().Refused["too many connections"])
	})
}

// TestConnsAtOnce: of many that come together exactly so many are taken.
func TestConnsAtOnce(t *testing.T) {
	srv, site := limited(t, siotest.Memory, newApp(), Options{Limits: Limits{MaxConns: 10}})
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 50 {
		wg.Go(func() {
			if _, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: "websocket"}); err == nil {
				mu.Lock()
				defer mu.Unlock()
				taken++
			}
		})
	}
	wg.Wait()

	require.Equal(t, 10, taken)
	require.Equal(t, 10, srv.Stats().Connections)
	require.EqualValues(t, 40, srv.Stats().Refused["too many connections"])
}

// TestMaxUnconnected: connections that are on no app yet are bounded by themselves.
func TestMaxUnconnected(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site := limited(t, n, newApp(), Options{Limits: Limits{MaxUnconnected: 1}})
		waiting := dial(t, site, transport)
		handshake := transport
		if transport == "upgrade" {
			handshake = "polling"
		}
		requireFull(t, site, handshake)
		require.Equal(t, 1, srv.Stats().Unconnected)
		waiting.Connect(chatNamespace, nil)

		another := dial(t, site, transport)

		require.Equal(t, 1, srv.Stats().Unconnected)
		another.Close()
		another.Engine.AwaitClosed()
		require.Eventually(t, func() bool { return srv.Stats().Unconnected == 0 }, siotest.Limit, time.Millisecond)
	})
}

// TestMaxRooms: a Join that would be too much joins nothing.
func TestMaxRooms(t *testing.T) {
	h := newApp()
	h.connect = func(c *Conn) error { return c.Join("a") }
	srv, site := limited(t, siotest.Memory, h, Options{Limits: Limits{MaxRooms: 3, MaxRoomName: 5}})
	dial(t, site, "websocket").Connect(chatNamespace, nil)
	c := await(t, h.accepted)

	require.NoError(t, c.Join("b", "a", "b"))
	require.ErrorIs(t, c.Join("c", "d"), ErrTooManyRooms)
	require.Equal(t, []string{"a", "b"}, c.Rooms())
	require.NoError(t, c.Join("c", "a", "b"))
	require.ErrorIs(t, c.Join("d"), ErrTooManyRooms)
	c.Leave("c")
	require.EqualError(t, c.Join("x", "longer"), "mojo: the name of a room is too long")
	require.Equal(t, []string{"a", "b"}, c.Rooms())
	require.ErrorIs(t, c.Channel().To("a").Join("longer"), ErrRoomName)
	require.NoError(t, c.Channel().To("a").Join("five5"))

	shutdown(t, srv)
	require.ErrorIs(t, c.Join("a"), ErrNotConnected)
}

// TestMaxPendingAcks: questions above it are refused, and there is room again when one was answered.
func TestMaxPendingAcks(t *testing.T) {
	h := newApp()
	_, site := limited(t, siotest.Memory, h, Options{Limits: Limits{MaxPendingAcks: 2}})
	socket := dial(t, site, "websocket").Connect(chatNamespace, nil)
	c := await(t, h.accepted)
	first, second := goAsk(t.Context(), c, "a"), goAsk(t.Context(), c, "b")
	questions := []siotest.Event{socket.Next(), socket.Next()}

	_, err := c.EmitWithAck(t.Context(), "c")
	require.ErrorIs(t, err, ErrTooManyAcks)

	questions[0].Reply()
	questions[1].Reply()
	require.NoError(t, await(t, first).err)
	require.NoError(t, await(t, second).err)
	third := goAsk(t.Context(), c, "c")
	socket.Expect("c").Reply()
	require.NoError(t, await(t, third).err)
}

// TestAckTimeout bounds a question whose context does not.
func TestAckTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newApp()
		_, site := limited(t, siotest.Memory, h, Options{Timeouts: Timeouts{AckTimeout: 7 * time.Second}})
		dial(t, site, "websocket").Connect(chatNamespace, nil)
		c := await(t, h.accepted)
		start := time.Now()

		_, err := c.EmitWithAck(t.Context(), "never answered")

		require.ErrorContains(t, err, "mojo: context deadline exceeded")
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}

// TestMaxRate: a client that is within it is never bothered, and one above it is closed.
func TestMaxRate(t *testing.T) {
	for _, transport := range transports {
		synctest.Test(t, func(t *testing.T) {
			h := newApp()
			messages := make(chan string, 1000)
			h.message = func(_ *Conn, m *Message) { messages <- m.Event() }
			srv, site := limited(t, siotest.Memory, h, Options{Limits: Limits{MaxRate: 10}})
			client := dial(t, site, transport)
			socket := client.Connect(chatNamespace, nil)
			c := await(t, h.accepted)
			time.Sleep(time.Second)
			for range 50 {
				socket.Emit("fair")
				require.Equal(t, "fair", await(t, messages))
				time.Sleep(time.Second / 10)
			}
			time.Sleep(time.Second)

			for range 100 {
				socket.Emit("flood")
			}

			require.Equal(t, ending{c, ReasonRateLimit}, await(t, h.ended))
			client.Engine.AwaitClosed()
			require.Len(t, messages, 10)
			require.EqualValues(t, 1, srv.Stats().Closed[ReasonRateLimit])
		})
	}
}

// TestAttachmentLimits of a message from a client.
func TestAttachmentLimits(t *testing.T) {
	everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		for _, args := range [][]any{
			{[]byte("one"), []byte("two"), []byte("three")},
			{make([]byte, 600), make([]byte, 600)},
		} {
			h := newApp()
			_, site := limited(t, n, h, Options{Limits: Limits{MaxAttachments: 2, MaxAttachmentBytes: 1024}})
			client := dial(t, site, transport)
			socket := client.Connect(chatNamespace, nil)
			c := await(t, h.accepted)
			heard := make(chan int, 1)
			h.message = func(_ *Conn, m *Message) { heard <- m.Len() }
			socket.Emit("fits", make([]byte, 500), make([]byte, 524))
			require.Equal(t, 2, await(t, heard))

			socket.Emit("too much", args...)

			require.Equal(t, ending{c, ReasonParseError}, await(t, h.ended))
			client.Engine.AwaitClosed()
			require.Empty(t, heard)
		}
	})
}

// TestLimitOptions: New says which one is wrong.
func TestLimitOptions(t *testing.T) {
	for want, opts := range map[string]Options{
		"mojo: Options.Limits.MaxConns is -1; want 0 or more":                   {Limits: Limits{MaxConns: -1}},
		"mojo: Options.Limits.MaxUnconnected is -1; want 0 or more":             {Limits: Limits{MaxUnconnected: -1}},
		"mojo: Options.Limits.MaxRooms is -1; want 0 or more":                   {Limits: Limits{MaxRooms: -1}},
		"mojo: Options.Limits.MaxRoomName is -1; want 0 or more":                {Limits: Limits{MaxRoomName: -1}},
		"mojo: Options.Limits.MaxPendingAcks is -1; want 0 or more":             {Limits: Limits{MaxPendingAcks: -1}},
		"mojo: Options.Limits.MaxRate is -1; want 0 or more":                    {Limits: Limits{MaxRate: -1}},
		"mojo: Options.Limits.MaxAttachments is 11; want from 0 to 10":          {Limits: Limits{MaxAttachments: 11}},
		"mojo: Options.Timeouts.AckTimeout is -1ns; want 0, or from 1ms to 24h": {Timeouts: Timeouts{AckTimeout: -1}},
		"mojo: Options.Limits.MaxAttachmentBytes is 1 bytes; want 0":            {Limits: Limits{MaxAttachmentBytes: 1}},
	} {
		_, err := New(opts)
		require.Error(t, err)
		require.True(t, strings.HasPrefix(err.Error(), want), err)
	}
	_, err := New(Options{})
	require.NoError(t, err)
}
