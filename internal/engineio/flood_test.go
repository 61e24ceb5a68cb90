package engineio

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo/internal/engineio/websocket"
	"github.com/mojosocket/mojo/internal/siotest"
)

// readFrame reads a frame from the server.
func readFrame(t *testing.T, conn net.Conn) (op ws.OpCode, payload string) {
	t.Helper()
	h, err := ws.ReadHeader(conn)
	require.NoError(t, err)
	p := make([]byte, h.Length)
	_, err = io.ReadFull(conn, p)
	require.NoError(t, err)
	return h.OpCode, string(p)
}

// Of pings that come together the latest is answered, and not each of them.
func TestManyPings(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		const pings = 1000
		h := serve(t, n, nil)
		conn, p := h.rawWebSocket(t)
		var sent bytes.Buffer
		for i := range pings {
			sent.Write(frame(ws.OpPing, true, fmt.Sprint(i)))
		}
		go func() { _, _ = conn.Write(sent.Bytes()) }() // which may have to wait until the answers are read
		last, answers := -1, 0
		for last < pings-1 {
			op, payload := readFrame(t, conn)
			require.Equal(t, ws.OpPong, op)
			var i int
			_, err := fmt.Sscan(payload, &i)
			require.NoError(t, err)
			require.Greater(t, i, last)
			last = i
			answers++
		}
		require.LessOrEqual(t, answers, pings/4)
		p.Close(ForcedClose)
	})
}

// A portion is so many frames at most, of whatever kind, and what follows is
// not lost.
func TestPortions(t *testing.T) {
	for name, p := range map[string][]byte{
		"pings":           bytes.Repeat(frame(ws.OpPing, true, ""), 1000),
		"pongs":           bytes.Repeat(frame(ws.OpPong, true, ""), 1000),
		"messages":        bytes.Repeat(text("4"), 1000),
		"noops":           bytes.Repeat(text("6"), 1000),
		"base64":          bytes.Repeat(text("bAQID"), 1000),
		"empty fragments": append(frame(ws.OpText, false, "4"), bytes.Repeat(frame(ws.OpContinuation, false, ""), 999)...),
		"byte fragments":  append(frame(ws.OpText, false, "4"), bytes.Repeat(frame(ws.OpContinuation, false, "x"), 999)...),
	} {
		t.Run(name, func(t *testing.T) {
			r := newReader(t, 1<<20)
			var scratch websocket.Scratch
			size, portions := len(p)/1000, 0
			for len(p) > 0 {
				rest, err := r.link.handleFrames(p, &scratch)
				require.NoError(t, err)
				require.LessOrEqual(t, len(p)-len(rest), (portionFrames+2)*(size+1))
				p = rest
				portions++
			}
			require.GreaterOrEqual(t, portions, 1000/portionFrames)
		})
	}
}

// What is sent while a portion is handled leaves in one write behind it, in
// order; what takes much room leaves earlier.
func TestAnswersToAPortion(t *testing.T) {
	siotest.Each(t, func(t *testing.T, n siotest.Network) {
		const messages = 300
		h := serve(t, n, func(o *Options) {
			if n == siotest.TCP { // to others a goroutine writes, which may be late
				o.MaxQueue = 64 << 10
			}
		})
		long := strings.Repeat("x", 1000) // all together are more than that
		h.message = func(p *peer, data []byte, _ bool) error {
			return p.Send(NewText([]byte(string(data) + long)))
		}
		conn, _ := h.rawWebSocket(t)
		var sent bytes.Buffer
		for i := range messages {
			sent.Write(text(fmt.Sprint("4", i)))
		}
		go func() { _, _ = conn.Write(sent.Bytes()) }()
		for i := range messages {
			_, payload := readFrame(t, conn)
			require.True(t, fmt.Sprint("4", i, long) == payload, i)
		}
	})
}
