package engineio

import (
	"encoding/binary"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
	"github.com/mojosocket/mojo/internal/siotest"
)

// frame returns a frame of a client, masked.
func frame(op ws.OpCode, fin bool, payload string) []byte {
	return ws.MustCompileFrame(ws.MaskFrameWith(ws.NewFrame(op, fin, []byte(payload)), [4]byte{1, 2, 3, 4}))
}

func text(payload string) []byte { return frame(ws.OpText, true, payload) }

// claim returns the header of a frame that claims to have length bytes.
func claim(op ws.OpCode, length uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{0x80 | byte(op), 0xff}, length)
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestWebSocketCarriesTextAndBinary(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, p := h.connect(siotest.Options{Transport: "websocket"})
		require.Equal(t, WebSocket, p.Transport())
		for _, size := range []int{0, 1, 125, 126, 127, 65535, 65536, 500_000} {
			client.Send(strings.Repeat("a", size))
			require.Len(t, client.Next().Text, size)
			client.SendBinary(make([]byte, size))
			got := client.Next()
			require.True(t, got.Binary)
			require.Len(t, got.Data, size)
		}
	})
}

func TestWebSocketWithBase64(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		for _, transport := range []string{"websocket", "upgrade"} {
			client, p := h.connect(siotest.Options{Transport: transport, Query: url.Values{"b64": {"1"}}})
			client.SendBinary([]byte{1, 2, 3}) // the client sends it in base64
			client.WriteRaw(frame(ws.OpBinary, true, "x"))
			for _, want := range []string{"\x01\x02\x03", "x"} {
				got := client.Next()
				require.True(t, got.Binary)
				require.Equal(t, want, string(got.Data))
			}
			require.NoError(t, p.Send(NewMessage(1, func(dst []byte) []byte { return append(dst, "2"...) }, [][]byte{{1}, {2}})))
			require.Equal(t, "2", client.Next().Text)
			require.Equal(t, []byte{1}, client.Next().Data)
			require.Equal(t, []byte{2}, client.Next().Data)
		}
	})
}

// TestWebSocketFramesOfEveryKind sends frames of all kinds in one write.
func TestWebSocketFramesOfEveryKind(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		client, _ := h.connect(siotest.Options{Transport: "websocket"})
		client.WriteRaw(join(
			frame(ws.OpText, false, "4he"),
			frame(ws.OpPing, true, "x"),
			frame(ws.OpContinuation, false, ""),
			frame(ws.OpPong, true, "unasked"),
			frame(ws.OpContinuation, true, "llo"),
			frame(ws.OpBinary, false, "\x00"),
			frame(ws.OpContinuation, true, "\x01"),
			text("4\u00e9"),
		))
		require.Equal(t, "hello", client.Next().Text)
		require.Equal(t, []byte{0, 1}, client.Next().Data)
		require.Equal(t, "é", client.Next().Text)
	})
}

func TestWebSocketViolations(t *testing.T) {
	for name, c := range map[string]struct {
		bytes  []byte
		status int
	}{
		"RSV1":                           {append([]byte{0xc1}, text("4a")[1:]...), 1002},
		"RSV2":                           {append([]byte{0xa1}, text("4a")[1:]...), 1002},
		"RSV3":                           {append([]byte{0x91}, text("4a")[1:]...), 1002},
		"unmasked":                       {ws.MustCompileFrame(ws.NewTextFrame([]byte("4a"))), 1002},
		"reserved opcode":                {frame(3, true, ""), 1002},
		"reserved control opcode":        {frame(11, true, ""), 1002},
		"continuation without a message": {frame(ws.OpContinuation, true, "a"), 1002},
		"text within a message":          {join(frame(ws.OpText, false, "4"), text("4a")), 1002},
		"ping in fragments":              {frame(ws.OpPing, false, ""), 1002},
		"ping of 126 bytes":              {frame(ws.OpPing, true, strings.Repeat("a", 126)), 1002},
		"close with one byte":            {frame(ws.OpClose, true, "a"), 1002},
		"close with status 1005":         {frame(ws.OpClose, true, "\x03\xed"), 1002},
		"close with a bad reason":        {frame(ws.OpClose, true, "\x03\xe8\xff"), 1002},
		"2^62 bytes":                     {append(claim(ws.OpText, 1<<62), 0, 0, 0, 0), 1009},
		"2^63-1 bytes":                   {append(claim(ws.OpBinary, 1<<63-1), 0, 0, 0, 0), 1009},
		"2^64-1 bytes":                   {append(claim(ws.OpText, 1<<64-1), 0, 0, 0, 0), 1002},
		"one byte too many":              {append(claim(ws.OpText, 1001), 0, 0, 0, 0), 1009},
		"too many in two fragments":      {join(frame(ws.OpText, false, "4"+strings.Repeat("a", 900)), frame(ws.OpContinuation, true, strings.Repeat("a", 100))), 1009},
		"too many empty fragments":       {join(frame(ws.OpText, false, "4"), []byte(strings.Repeat(string(frame(ws.OpContinuation, false, "")), websocket.MaxFragments))), 1008},
		"text that is not UTF-8":         {text("4\xff"), 1007},
		"UTF-8 that is incomplete":       {text("4\xc3"), 1007},
		"empty packet":                   {text(""), 1000},
		"type 7":                         {text("7"), 1000},
		"type that is not ASCII":         {text("é"), 1000},
		"ping from the client":           {text("2"), 1000},
		"probe after the handshake":      {text("2probe"), 1000},
		"upgrade after the handshake":    {text("5"), 1000},
		"b with invalid base64":          {text("b!"), 1000},
		"refused by the handler":         {text("4bad"), 1000},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, siotest.TCP, func(o *Options) { o.MaxPayload = 1000 })
			h.message = func(_ *peer, data []byte, _ bool) error {
				if string(data) != "bad" {
					t.Errorf("message %q", data)
				}
				return errors.New("bad")
			}
			client, p := h.connect(siotest.Options{Transport: "websocket"})
			client.WriteRaw(append(c.bytes, text("4behind")...))
			require.Equal(t, siotest.ReasonCloseFrame, client.AwaitClosed())
			var end *siotest.CloseError
			require.ErrorAs(t, client.Err(), &end)
			require.Equal(t, c.status, end.Code)
			require.Equal(t, ParseError, p.awaitEnd())
		})
	}
}

func TestWebSocketIsClosedByTheClient(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		for name, end := range map[string]func(*siotest.Engine){
			"Close frame":          func(c *siotest.Engine) { c.Close() },
			"close packet":         func(c *siotest.Engine) { c.SendPacket("1"); c.AwaitClosed() },
			"lost":                 func(c *siotest.Engine) { c.Drop() },
			"lost within a header": func(c *siotest.Engine) { c.WriteRaw([]byte{0x81}); c.Drop() },
			"lost within a message": func(c *siotest.Engine) {
				c.WriteRaw(frame(ws.OpText, false, "4"))
				c.Drop()
			},
		} {
			t.Run(name, func(t *testing.T) {
				client, p := h.connect(siotest.Options{Transport: "websocket"})
				end(client)
				require.Contains(t, []Reason{TransportClose, TransportError}, p.awaitEnd())
				require.NotEqual(t, siotest.ReasonLost, client.CloseReason())
			})
		}
	})
}

// TestWebSocketCloseFrameIsAnswered: the server answers the client's Close
// frame with a Close frame, and closes the connection. Bytes behind the
// client's frame are ignored.
func TestWebSocketCloseFrameIsAnswered(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		h.message = func(_ *peer, data []byte, _ bool) error {
			t.Errorf("message %q", data)
			return nil
		}
		for name, bytes := range map[string][]byte{
			"empty":       frame(ws.OpClose, true, ""),
			"with reason": frame(ws.OpClose, true, "\x03\xe9bye"),
			"not last":    join(frame(ws.OpClose, true, ""), text("4x"), []byte{0xff}),
		} {
			t.Run(name, func(t *testing.T) {
				conn, p := h.rawWebSocket(t)
				_, err := conn.Write(bytes)
				require.NoError(t, err)
				all, err := io.ReadAll(conn)
				require.NoError(t, err)
				require.Equal(t, "\x88\x02\x03\xe8", string(all))
				require.Equal(t, TransportClose, p.awaitEnd())
			})
		}
	})
}

// TestWebSocketIsClosedByTheServer: queued messages arrive before the Close
// frame, and then the connection is closed.
func TestWebSocketIsClosedByTheServer(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		for range 10 {
			client, p := h.connect(siotest.Options{Transport: "websocket"})
			const count = 200
			for range count {
				require.NoError(t, p.Send(NewText(make([]byte, 1000))))
			}
			p.Close(ForcedClose)
			require.ErrorIs(t, p.Send(NewText([]byte("late"))), ErrClosed)
			for range count {
				require.Len(t, client.Next().Text, 1000)
			}
			require.Equal(t, siotest.ReasonCloseFrame, client.AwaitClosed())
			require.Zero(t, client.Unread())
			require.Equal(t, ForcedClose, p.awaitEnd())
		}
	})
}

// TestWebSocketCloseWithoutAnAnswer: if a client does not answer the Close
// frame, its connection is closed after a second. The client reads the end of
// the stream behind the frame, and not a reset.
func TestWebSocketCloseWithoutAnAnswer(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		h := serve(t, n, nil)
		conn, p := h.rawWebSocket(t)
		_, err := conn.Write(text("4unread"))
		require.NoError(t, err)
		p.Close(ForcedClose)
		begun := time.Now()
		all, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(string(all), "\x88\x02\x03\xe8"), "%q", all)
		require.Less(t, time.Since(begun), 5*time.Second)
		waitUntil(t, func() bool {
			sessions, links := h.counts()
			return sessions+links == 0
		})
	})
}
