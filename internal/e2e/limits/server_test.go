package limits

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// limited serves a Server with the app Chat and these options.
func limited(t testing.TB, n siotest.Network, h mojo.SocketHandler, opts mojo.Options) (*mojo.Server, *siotest.Site) {
	t.Helper()
	srv := e2e.NewServer(t, opts)
	e2e.Register(t, srv, "Chat", h)
	return srv, siotest.Serve(t, n, srv)
}

// requireFull requires that the server refuses a new connection with 503, after
// which the client tries again.
func requireFull(t testing.TB, site *siotest.Site, transport string) {
	t.Helper()
	_, err := siotest.TryDial(t.Context(), site, siotest.Options{Transport: transport})
	var refused *siotest.HTTPError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusServiceUnavailable, refused.Status)
	require.Contains(t, refused.Body, "Too many connections")
}

// The Server accepts MaxConns connections, and another when one has ended.
func TestMaxConnsOfTheServer(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		h := e2e.NewApp()
		srv, site := limited(t, n, h, mojo.Options{Limits: mojo.Limits{MaxConns: 2}})
		first := e2e.Dial(t, site, transport)
		first.Connect(e2e.ChatNamespace, nil)
		second := e2e.Dial(t, site, transport)
		second.Connect(e2e.ChatNamespace, nil)
		handshake := transport
		if transport == "upgrade" {
			handshake = "polling"
		}
		requireFull(t, site, handshake)

		first.Close()
		e2e.Await(t, h.Ended)
		first.Engine.AwaitClosed()

		require.Eventually(t, func() bool { return srv.Stats().Connections == 1 }, siotest.Limit, time.Millisecond)
		e2e.Dial(t, site, transport).Connect(e2e.ChatNamespace, nil)
		require.EqualValues(t, 1, srv.Stats().Refused["too many connections"])
	})
}

// Many connections begin at the same time. Exactly MaxConns are accepted.
func TestConnsAtOnce(t *testing.T) {
	srv, site := limited(t, siotest.Memory, e2e.NewApp(), mojo.Options{Limits: mojo.Limits{MaxConns: 10}})
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

// MaxUnconnected limits the connections that are on no app yet.
func TestMaxUnconnected(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		srv, site := limited(t, n, e2e.NewApp(), mojo.Options{Limits: mojo.Limits{MaxUnconnected: 1}})
		waiting := e2e.Dial(t, site, transport)
		handshake := transport
		if transport == "upgrade" {
			handshake = "polling"
		}
		requireFull(t, site, handshake)
		require.Equal(t, 1, srv.Stats().Unconnected)
		waiting.Connect(e2e.ChatNamespace, nil)

		another := e2e.Dial(t, site, transport)

		require.Equal(t, 1, srv.Stats().Unconnected)
		another.Close()
		another.Engine.AwaitClosed()
		require.Eventually(t, func() bool { return srv.Stats().Unconnected == 0 }, siotest.Limit, time.Millisecond)
	})
}

// A Join that would exceed MaxRooms joins no room.
func TestMaxRooms(t *testing.T) {
	h := e2e.NewApp()
	h.Connect = func(c *mojo.Conn) error { return c.Join("a") }
	srv, site := limited(t, siotest.Memory, h, mojo.Options{Limits: mojo.Limits{MaxRooms: 3, MaxRoomName: 5}})
	e2e.Dial(t, site, "websocket").Connect(e2e.ChatNamespace, nil)
	c := e2e.Await(t, h.Accepted)

	require.NoError(t, c.Join("b", "a", "b"))
	require.ErrorIs(t, c.Join("c", "d"), mojo.ErrTooManyRooms)
	require.Equal(t, []string{"a", "b"}, c.Rooms())
	require.NoError(t, c.Join("c", "a", "b"))
	require.ErrorIs(t, c.Join("d"), mojo.ErrTooManyRooms)
	c.Leave("c")
	require.EqualError(t, c.Join("x", "longer"), "mojo: the name of a room is not allowed: it has 6 bytes; want at most 5")
	require.Equal(t, []string{"a", "b"}, c.Rooms())
	require.ErrorIs(t, c.Channel().To("a").Join("longer"), mojo.ErrRoomName)
	require.NoError(t, c.Channel().To("a").Join("five5"))

	e2e.Shutdown(t, srv)
	require.ErrorIs(t, c.Join("a"), mojo.ErrNotConnected)
}

// EmitWithAck fails above MaxPendingAcks, and works again after an ack has
// arrived.
func TestMaxPendingAcks(t *testing.T) {
	h := e2e.NewApp()
	_, site := limited(t, siotest.Memory, h, mojo.Options{Limits: mojo.Limits{MaxPendingAcks: 2}})
	socket := e2e.Dial(t, site, "websocket").Connect(e2e.ChatNamespace, nil)
	c := e2e.Await(t, h.Accepted)
	first, second := e2e.StartCall(t.Context(), c, "a"), e2e.StartCall(t.Context(), c, "b")
	questions := []siotest.Event{socket.Next(), socket.Next()}

	_, err := c.EmitWithAck(t.Context(), "c")
	require.ErrorIs(t, err, mojo.ErrTooManyAcks)

	questions[0].Reply()
	questions[1].Reply()
	require.NoError(t, e2e.Await(t, first).Err)
	require.NoError(t, e2e.Await(t, second).Err)
	third := e2e.StartCall(t.Context(), c, "c")
	socket.Expect("c").Reply()
	require.NoError(t, e2e.Await(t, third).Err)
}

// AckTimeout bounds an EmitWithAck whose context has no deadline.
func TestAckTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := e2e.NewApp()
		_, site := limited(t, siotest.Memory, h, mojo.Options{Timeouts: mojo.Timeouts{AckTimeout: 7 * time.Second}})
		e2e.Dial(t, site, "websocket").Connect(e2e.ChatNamespace, nil)
		c := e2e.Await(t, h.Accepted)
		start := time.Now()

		_, err := c.EmitWithAck(t.Context(), "never answered")

		require.ErrorContains(t, err, "mojo: context deadline exceeded")
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}

// A client below MaxRate is served, and one above it is disconnected.
func TestMaxRate(t *testing.T) {
	for _, transport := range e2e.Transports {
		synctest.Test(t, func(t *testing.T) {
			h := e2e.NewApp()
			messages := make(chan string, 1000)
			h.Message = func(_ *mojo.Conn, m *mojo.Message) { messages <- m.Event() }
			srv, site := limited(t, siotest.Memory, h, mojo.Options{Limits: mojo.Limits{MaxRate: 10}})
			client := e2e.Dial(t, site, transport)
			socket := client.Connect(e2e.ChatNamespace, nil)
			c := e2e.Await(t, h.Accepted)
			time.Sleep(time.Second)
			for range 50 {
				socket.Emit("fair")
				require.Equal(t, "fair", e2e.Await(t, messages))
				time.Sleep(time.Second / 10)
			}
			time.Sleep(time.Second)

			for range 100 {
				socket.Emit("flood")
			}

			require.Equal(t, e2e.End{Conn: c, Reason: mojo.ReasonRateLimit}, e2e.Await(t, h.Ended))
			client.Engine.AwaitClosed()
			require.Len(t, messages, 10)
			require.EqualValues(t, 1, srv.Stats().Closed[mojo.ReasonRateLimit])
		})
	}
}

// A message with too many attachments, or too many bytes in them, ends the
// connection.
func TestAttachmentLimits(t *testing.T) {
	e2e.Everywhere(t, func(t *testing.T, n siotest.Network, transport string) {
		for _, args := range [][]any{
			{[]byte("one"), []byte("two"), []byte("three")},
			{make([]byte, 600), make([]byte, 600)},
		} {
			h := e2e.NewApp()
			_, site := limited(t, n, h, mojo.Options{Limits: mojo.Limits{MaxAttachments: 2, MaxAttachmentBytes: 1024}})
			client := e2e.Dial(t, site, transport)
			socket := client.Connect(e2e.ChatNamespace, nil)
			c := e2e.Await(t, h.Accepted)
			heard := make(chan int, 1)
			h.Message = func(_ *mojo.Conn, m *mojo.Message) { heard <- m.Len() }
			socket.Emit("fits", make([]byte, 500), make([]byte, 524))
			require.Equal(t, 2, e2e.Await(t, heard))

			socket.Emit("too much", args...)

			require.Equal(t, e2e.End{Conn: c, Reason: mojo.ReasonParseError}, e2e.Await(t, h.Ended))
			client.Engine.AwaitClosed()
			require.Empty(t, heard)
		}
	})
}

// The error of New names the limit that is wrong.
func TestLimitOptions(t *testing.T) {
	for want, opts := range map[string]mojo.Options{
		"mojo: Options.Limits.MaxConns is -1; want 0 or more":                   {Limits: mojo.Limits{MaxConns: -1}},
		"mojo: Options.Limits.MaxUnconnected is -1; want 0 or more":             {Limits: mojo.Limits{MaxUnconnected: -1}},
		"mojo: Options.Limits.MaxRooms is -1; want 0 or more":                   {Limits: mojo.Limits{MaxRooms: -1}},
		"mojo: Options.Limits.MaxRoomName is -1; want 0 or more":                {Limits: mojo.Limits{MaxRoomName: -1}},
		"mojo: Options.Limits.MaxPendingAcks is -1; want 0 or more":             {Limits: mojo.Limits{MaxPendingAcks: -1}},
		"mojo: Options.Limits.MaxRate is -1; want 0 or more":                    {Limits: mojo.Limits{MaxRate: -1}},
		"mojo: Options.Limits.MaxAttachments is 11; want from 0 to 10":          {Limits: mojo.Limits{MaxAttachments: 11}},
		"mojo: Options.Timeouts.AckTimeout is -1ns; want 0, or from 1ms to 24h": {Timeouts: mojo.Timeouts{AckTimeout: -1}},
		"mojo: Options.Limits.MaxAttachmentBytes is 1 bytes; want 0":            {Limits: mojo.Limits{MaxAttachmentBytes: 1}},
	} {
		_, err := mojo.New(opts)
		require.Error(t, err)
		require.True(t, strings.HasPrefix(err.Error(), want), err)
	}
	_, err := mojo.New(mojo.Options{})
	require.NoError(t, err)
}
