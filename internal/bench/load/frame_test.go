package load

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
)

// TestFrame: gobwas/ws reads the frames that Frame returns.
func TestFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		text := strings.Repeat("x", n)
		r := bytes.NewReader(Frame(text))
		h, err := ws.ReadHeader(r)
		require.NoError(t, err)
		require.NoError(t, ws.CheckHeader(h, ws.StateServerSide))
		require.Equal(t, ws.OpText, h.OpCode)
		require.EqualValues(t, n, h.Length)
		payload, err := io.ReadAll(r)
		require.NoError(t, err)
		ws.Cipher(payload, h.Mask, 0)
		require.Equal(t, text, string(payload))
	}
}

// TestCutFrame: cutFrame reads the frames that gobwas/ws writes, if they are
// complete.
func TestCutFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		text := strings.Repeat("x", n)
		whole := ws.MustCompileFrame(ws.NewTextFrame([]byte(text)))
		op, payload, rest, ok, err := cutFrame(append(whole, "rest"...))
		require.NoError(t, err)
		require.True(t, ok)
		require.EqualValues(t, opText, op)
		require.Equal(t, text, string(payload))
		require.Equal(t, "rest", string(rest))
		for _, part := range []int{0, 1, min(3, len(whole)-1), min(9, len(whole)-1), len(whole) - 1} {
			_, _, rest, ok, err := cutFrame(whole[:part])
			require.NoError(t, err)
			require.False(t, ok)
			require.Len(t, rest, part)
		}
	}
	for _, bad := range []string{"\x01\x01x", "\xc1\x01x", "\x81\x81\x00\x00\x00\x00x"} {
		_, _, _, _, err := cutFrame([]byte(bad))
		require.ErrorIs(t, err, errFrame)
	}
}

func TestCutAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: 5\r\n\r\nhello",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			for part := range len(answer) {
				_, _, ok, err := cutAnswer([]byte(answer[:part]))
				require.NoError(t, err)
				require.False(t, ok, answer[:part])
			}
			head, body, ok, err := cutAnswer([]byte(answer))
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, "hello", string(body))
			require.NoError(t, statusError(head, "200"))
			require.Error(t, statusError(head, "400"))
		})
	}
	for _, bad := range []string{
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
	} {
		_, _, _, err := cutAnswer([]byte(bad))
		require.Error(t, err, bad)
	}
}

// TestCutPacket: cutPacket reads the payloads of both revisions.
func TestCutPacket(t *testing.T) {
	for protocol, body := range map[Protocol]string{EngineIO3: "1:25:42[1]", EngineIO4: "2\x1e42[1]"} {
		packet, rest, err := cutPacket(protocol, []byte(body))
		require.NoError(t, err)
		require.Equal(t, "2", string(packet))
		packet, rest, err = cutPacket(protocol, rest)
		require.NoError(t, err)
		require.Equal(t, "42[1]", string(packet))
		require.Empty(t, rest)
	}
	for _, bad := range []string{"x", "9:short", ":"} {
		_, _, err := cutPacket(EngineIO3, []byte(bad))
		require.Error(t, err, bad)
	}
	require.Equal(t, "5:42[1]", string(payload(EngineIO3, "42[1]")))
}
