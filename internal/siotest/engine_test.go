package siotest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// eachTransport runs fn on each network with each transport.
func eachTransport(t *testing.T, fn func(t *testing.T, site *Site, o Options)) {
	Each(t, func(t *testing.T, n Network) {
		for _, transport := range []string{"polling", "websocket", "upgrade"} {
			t.Run(transport, func(t *testing.T) {
				fn(t, Serve(t, n, &fakeServer{}), Options{Transport: transport})
			})
		}
	})
}

func TestEngineEcho(t *testing.T) {
	eachTransport(t, func(t *testing.T, site *Site, o Options) {
		e := Open(t, site, o)
		require.Equal(t, "sid0", e.Handshake.SID)
		require.Equal(t, 25000, e.Handshake.PingInterval)
		require.Equal(t, o.Transport == "polling", e.Transport() == "polling")
		big := strings.Repeat("é", 100_000)
		e.Send("hello")
		e.SendBinary([]byte{0, 1, 255})
		e.SendBinary(nil)
		e.SendPackets("4a", "4b")
		e.Send(big)
		require.Equal(t, Packet{Type: '4', Text: "hello"}, e.Next())
		require.Equal(t, Packet{Type: '4', Data: []byte{0, 1, 255}, Binary: true}, e.Next())
		require.Empty(t, e.Next().Data)
		require.Equal(t, "a", e.Next().Text)
		require.Equal(t, "b", e.Next().Text)
		require.Equal(t, big, e.Next().Text)
		require.Zero(t, e.Unread())
	})
}

func TestEngineUpgradeLosesNothing(t *testing.T) {
	Each(t, func(t *testing.T, n Network) {
		e := Open(t, Serve(t, n, &fakeServer{}), Options{})
		const many = 300
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for i := range many {
				e.Send(strings.Repeat("x", i+1))
			}
		}()
		e.Upgrade()
		require.Equal(t, "websocket", e.Transport())
		for i := range many {
			require.Len(t, e.Next().Text, i+1)
		}
		<-sent
	})
}

func TestEngineAbandonedProbe(t *testing.T) {
	e := Open(t, Serve(t, Memory, &fakeServer{}), Options{})
	e.Probe().Abandon()
	e.Send("still polling")
	require.Equal(t, "still polling", e.Next().Text)
	e.Probe().Complete()
	e.Send("websocket")
	require.Equal(t, "websocket", e.Next().Text)
}

func TestEngineClose(t *testing.T) {
	eachTransport(t, func(t *testing.T, site *Site, o Options) {
		e := Open(t, site, o)
		require.Empty(t, e.CloseReason())
		e.Close()
		require.Equal(t, ReasonClientClose, e.AwaitClosed())
		require.NoError(t, e.Err())
		e.Send("dropped")
	})
}

func TestEngineDrop(t *testing.T) {
	eachTransport(t, func(t *testing.T, site *Site, o Options) {
		e := Open(t, site, o)
		e.Drop()
		require.Equal(t, ReasonClientDrop, e.AwaitClosed())
	})
}

func TestEngineServerCloses(t *testing.T) {
	eachTransport(t, func(t *testing.T, site *Site, o Options) {
		e := Open(t, site, o)
		e.SendPacket("invalid") // the fakeServer answers with a close packet
		require.Equal(t, ReasonClosePacket, e.AwaitClosed())
	})
}

func TestEngineRefused(t *testing.T) {
	Each(t, func(t *testing.T, n Network) {
		site := Serve(t, n, &fakeServer{})
		for _, transport := range []string{"polling", "websocket"} {
			_, err := TryOpen(t.Context(), site, Options{Transport: transport, Query: url.Values{"sid": {"unknown"}}})
			var refused *HTTPError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, http.StatusBadRequest, refused.Status)
			require.Contains(t, refused.Body, "Session ID unknown")
		}
		_, err := TryOpen(t.Context(), site, Options{Transport: "pigeon"})
		require.ErrorContains(t, err, "pigeon")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = TryOpen(ctx, site, Options{Transport: "websocket"})
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestEngineUnansweredHandshakeEndsWithTheContext(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		synctest.Test(t, func(t *testing.T) {
			site := Serve(t, Memory, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := TryOpen(ctx, site, Options{Transport: transport})
			require.Error(t, err)
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		})
	}
}

func TestEngineHeadersAndHTTP2(t *testing.T) {
	fake := &fakeServer{}
	var proto, host string
	site := Serve(t, TLS, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("sid") == "" {
			proto, host = r.Proto, r.Host
			w.Header().Set("X-Answer", "yes")
		}
		fake.ServeHTTP(w, r)
	}))
	header := http.Header{"Origin": {"https://a.test"}, "cookie": {"a=b"}, "Host": {"b.test"}}
	e := Open(t, site, Options{HTTP2: true, Header: header})
	e.Send("x")
	require.Equal(t, "x", e.Next().Text)
	require.Equal(t, "HTTP/2.0", proto)
	require.Equal(t, "b.test", host)
	require.Equal(t, "yes", e.Response.Get("X-Answer"))
	require.Equal(t, "a=b", fake.sessions["sid0"].header.Get("Cookie"))
	require.Equal(t, "https://a.test", fake.sessions["sid0"].header.Get("Origin"))
	e.Upgrade()
	e.Send("y")
	require.Equal(t, "y", e.Next().Text)
}

func TestEngineManualPoll(t *testing.T) {
	site := Serve(t, Memory, &fakeServer{})
	e := Open(t, site, Options{ManualPoll: true})
	e.Send("a")
	e.Flush()
	status, payload := e.Poll()
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "4a", payload)
	require.Equal(t, "a", e.Next().Text)
	status, body := e.Post("4b\x1e4c")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ok", body)
	_, payload = e.Poll()
	require.Equal(t, "4b\x1e4c", payload)
	e.Upgrade()
	e.Send("d")
	for _, want := range []string{"b", "c", "d"} {
		require.Equal(t, want, e.Next().Text)
	}
}

func TestEngineBase64(t *testing.T) {
	e := Open(t, Serve(t, Memory, &fakeServer{}), Options{Transport: "websocket", Query: url.Values{"b64": {"1"}}})
	e.SendBinary([]byte{1, 2})
	require.Equal(t, []byte{1, 2}, e.Next().Data)
}

func TestEngineEarlyPackets(t *testing.T) {
	Each(t, func(t *testing.T, n Network) {
		e := Open(t, Serve(t, n, &fakeServer{}), Options{Transport: "websocket", Early: []string{"4early", "4bird"}})
		require.Equal(t, "early", e.Next().Text)
		require.Equal(t, "bird", e.Next().Text)
	})
}

func TestEngineHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeServer{interval: 25 * time.Second}
		site := Serve(t, Memory, fake)
		e := Open(t, site, Options{Transport: "websocket"})
		silent := Open(t, site, Options{Transport: "websocket", NoPong: true})
		start := time.Now()
		e.NextPing()
		e.NextPing()
		require.Equal(t, 50*time.Second, time.Since(start))
		synctest.Wait()
		require.Equal(t, 2, fake.sessions["sid0"].pongs.len())
		require.Equal(t, 2, silent.Pings())
		require.Zero(t, fake.sessions["sid1"].pongs.len())
	})
}

func TestEnginePauseFillsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, transport := range []string{"websocket", "polling"} {
			fake := &fakeServer{}
			e := Open(t, Serve(t, Memory, fake), Options{Transport: transport, ReadBuffer: 1000})
			e.Send("a")
			e.Next()
			e.Pause()
			e.Pause()
			session := fake.sessions["sid0"]
			for range 100 {
				session.out.put("4" + strings.Repeat("x", 99))
			}
			synctest.Wait()
			if transport == "websocket" {
				require.Greater(t, session.out.len(), 80)
			}
			require.Zero(t, e.Unread())
			e.Resume()
			for range 100 {
				require.Len(t, e.Next().Text, 99)
			}
		}
	})
}

func TestEnginePauseOnRealSockets(t *testing.T) {
	for _, n := range []Network{TCP, TLS} {
		fake := &fakeServer{}
		e := Open(t, Serve(t, n, fake), Options{Transport: "websocket", ReadBuffer: 1000})
		e.Pause()
		for range 20 {
			fake.sessions["sid0"].out.put("4" + strings.Repeat("x", 1_000_000))
		}
		e.Send("a")
		e.Flush()
		require.Zero(t, e.Unread())
		e.Resume()
		for range 20 {
			require.Len(t, e.Next().Text, 1_000_000)
		}
		require.Equal(t, "a", e.Next().Text)
		e.Pause() // the end of the test must not wait for the client
	}
}

// TestWebSocketFrames makes the fakeServer write frames unchanged.
func TestWebSocketFrames(t *testing.T) {
	compiled := func(frames ...ws.Frame) string {
		var b strings.Builder
		for _, f := range frames {
			b.Write(ws.MustCompileFrame(f))
		}
		return b.String()
	}
	open := func(t *testing.T) (*Engine, *fakeSession) {
		fake := &fakeServer{}
		e := Open(t, Serve(t, Memory, fake), Options{Transport: "websocket"})
		return e, fake.sessions["sid0"]
	}
	t.Run("fragments with a ping in between", func(t *testing.T) {
		e, session := open(t)
		session.out.put("!" + compiled(
			ws.NewFrame(ws.OpText, false, []byte("4a")),
			ws.NewPingFrame([]byte("p")),
			ws.NewFrame(ws.OpContinuation, false, []byte("b")),
			ws.NewFrame(ws.OpContinuation, true, []byte("c")),
			ws.NewPongFrame(nil),
			ws.NewFrame(ws.OpBinary, false, []byte{1}),
			ws.NewFrame(ws.OpContinuation, true, []byte{2}),
		))
		require.Equal(t, "abc", e.Next().Text)
		require.Equal(t, []byte{1, 2}, e.Next().Data)
		pong, err := waitFor(&session.pongs, Limit)
		require.NoError(t, err)
		require.Equal(t, "p", pong)
	})
	t.Run("close frame", func(t *testing.T) {
		e, session := open(t)
		session.out.put("!" + compiled(ws.NewTextFrame([]byte("4last")), ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "bye"))))
		require.Equal(t, ReasonCloseFrame, e.AwaitClosed())
		require.Equal(t, &CloseError{Code: 1001, Text: "bye"}, e.Err())
		require.Equal(t, "last", e.Next().Text)
	})
	t.Run("raw bytes from the client", func(t *testing.T) {
		e, _ := open(t)
		e.WriteRaw([]byte(compiled(
			ws.MaskFrame(ws.NewTextFrame([]byte("4a"))),
			ws.MaskFrame(ws.NewTextFrame([]byte("4b"))),
		)))
		require.Equal(t, "a", e.Next().Text)
		require.Equal(t, "b", e.Next().Text)
	})
	for name, frames := range map[string][]ws.Frame{
		"masked":             {ws.MaskFrame(ws.NewTextFrame([]byte("4a")))},
		"not UTF-8":          {ws.NewTextFrame([]byte("4\xff"))},
		"lone continuation":  {ws.NewFrame(ws.OpContinuation, true, []byte("4"))},
		"reserved bit":       {{Header: ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpText, Length: 1}, Payload: []byte("4")}},
		"close with a byte":  {ws.NewCloseFrame([]byte{1})},
		"empty packet":       {ws.NewTextFrame(nil)},
		"unexpected upgrade": {ws.NewTextFrame([]byte("5"))},
	} {
		t.Run(name, func(t *testing.T) {
			e, session := open(t)
			session.out.put("!" + compiled(frames...))
			require.Equal(t, ReasonError, e.AwaitClosed())
			require.Error(t, e.Err())
		})
	}
}

func TestWebSocketHandshakeIsChecked(t *testing.T) {
	for name, answer := range map[string]string{
		"accept":    "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
		"upgrade":   "HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n",
		"no answer": "",
	} {
		t.Run(name, func(t *testing.T) {
			site := Serve(t, Memory, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					io.WriteString(conn, answer)
					conn.Close()
				}
			}))
			_, err := TryOpen(t.Context(), site, Options{Transport: "websocket"})
			require.Error(t, err)
			var status *HTTPError
			require.False(t, errors.As(err, &status))
		})
	}
}

func TestEngineSeesLostConnection(t *testing.T) {
	var server net.Conn
	site := Serve(t, Memory, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server, _, _, _ = ws.UpgradeHTTP(r, w)
		ws.WriteFrame(server, ws.NewTextFrame([]byte(`0{"sid":"x"}`)))
	}))
	e := Open(t, site, Options{Transport: "websocket"})
	server.Close()
	require.Equal(t, ReasonLost, e.AwaitClosed())
	require.ErrorIs(t, e.Err(), io.EOF)
}
