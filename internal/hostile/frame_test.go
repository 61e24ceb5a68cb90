package hostile

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// claim returns the header of a frame with this length, without the payload.
func claim(op ws.OpCode, fin bool, length uint64) []byte {
	first := byte(op)
	if fin {
		first |= 0x80
	}
	return append(binary.BigEndian.AppendUint64([]byte{first, 0xff}, length), 1, 2, 3, 4)
}

// withBits returns a text frame and sets further bits in its first byte.
func withBits(bits byte) []byte {
	f := text(`42["e"]`)
	f[0] |= bits
	return f
}

// requireViolation requires that the frames end the connection with a status,
// even if more frames follow them.
func requireViolation(t *testing.T, s *testSite, status int, frames ...[]byte) {
	t.Helper()
	s.connected(t).requireViolation(t, status, frames...)
	require.Empty(t, s.app.events())
}

// requireViolation requires the same of a WebSocket that is open.
func (w webSocket) requireViolation(t *testing.T, status int, frames ...[]byte) {
	t.Helper()
	for _, f := range append(frames, text(`42["behind it"]`)) {
		if _, err := w.Write(f); err != nil {
			break // the server has closed the connection
		}
	}
	got, end := w.frames(t)
	require.Equal(t, status, end)
	require.Empty(t, got)
}

// The server allocates memory for the received bytes of a frame, and not for
// the length in its header.
func TestFramesThatClaimALength(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, c := range map[string]struct {
			length uint64
			status int
		}{
			"2^62":             {1 << 62, 1009},
			"2^63-1":           {1<<63 - 1, 1009},
			"2^63":             {1 << 63, 1002},
			"2^64-1":           {1<<64 - 1, 1002},
			"above MaxPayload": {maxPayload + 1, 1009},
		} {
			for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary, ws.OpContinuation} {
				s.attack(t, name, func(t *testing.T) {
					frames := [][]byte{claim(op, true, c.length)}
					if op == ws.OpContinuation {
						frames = [][]byte{frame(ws.OpText, false, "4"), frames[0]}
					}
					cost := allocated(func() { requireViolation(t, s, c.status, frames...) })
					require.Less(t, cost, uint64(1<<20))
				})
			}
		}
		s.attack(t, "the most that is allowed, and nothing of it", func(t *testing.T) {
			const connections = 50
			webSockets := make([]webSocket, connections)
			cost := allocated(func() {
				for i := range webSockets {
					webSockets[i] = s.webSocket(t, handshake("websocket"), text("40"), claim(ws.OpBinary, true, maxPayload), []byte("x"))
				}
				e2e.WaitUntil(t, "all WebSockets are connected", func() bool { return s.app.live() == connections+1 })
			})
			require.Less(t, cost, uint64(raceCost*connections*256<<10))
			for _, w := range webSockets {
				require.NoError(t, w.Close())
			}
		})
	})
}

// The server limits the number of frames of a message, and their memory.
func TestFragments(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, payload := range map[string]string{"of one byte": "a", "empty": ""} {
			s.attack(t, name, func(t *testing.T) {
				all := append(frame(ws.OpText, false, "4"), strings.Repeat(string(frame(ws.OpContinuation, false, payload)), e2e.Rounds(1_000_000))...)
				w := s.connected(t)
				cost := allocated(func() { w.requireViolation(t, 1008, all) })
				if s.site.Network() == siotest.TCP { // with TLS the client allocates, too
					require.Less(t, cost, uint64(raceCost*256<<10))
				}
			})
		}
		s.attack(t, "one fewer than the limit, then nothing", func(t *testing.T) {
			const connections, fragments = 20, 4095
			all := append(frame(ws.OpText, false, "4"), strings.Repeat(string(frame(ws.OpContinuation, false, "a")), fragments)...)
			before := e2e.LiveHeap()
			webSockets := make([]webSocket, connections)
			for i := range webSockets {
				webSockets[i] = s.webSocket(t, handshake("websocket"), text("40"), all)
			}
			e2e.WaitUntil(t, "all WebSockets are connected", func() bool { return s.app.live() == connections+1 })
			require.Less(t, e2e.LiveHeap(), before+connections*256<<10)
			for _, w := range webSockets {
				require.NoError(t, w.Close())
			}
		})
	})
}

func TestReservedBits(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, bits := range map[string]byte{"RSV1": 0x40, "RSV2": 0x20, "RSV3": 0x10, "all": 0x70} {
			s.attack(t, name, func(t *testing.T) { requireViolation(t, s, 1002, withBits(bits)) })
		}
	})
}

func TestTextThatIsNotUTF8(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, frames := range map[string][][]byte{
			"invalid byte":     {text("42[\"\xff\"]")},
			"half a character": {text("42[\"\xc3")},
			"overlong":         {text("42[\"\xc0\xaf\"]")},
			"a surrogate":      {text("42[\"\xed\xa0\x80\"]")},
			"in two fragments": {frame(ws.OpText, false, "42[\"\xc3"), frame(ws.OpContinuation, true, "\"]")},
		} {
			s.attack(t, name, func(t *testing.T) { requireViolation(t, s, 1007, frames...) })
		}
	})
}

// A bad frame in the same segment as the handshake closes the connection.
func TestHandshakeWithABadFrame(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, c := range map[string]struct {
			frame  []byte
			status int
		}{
			"reserved bits":  {withBits(0x40), 1002},
			"unmasked":       {[]byte("\x81\x0240"), 1002},
			"nonsense":       {[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 1002},
			"too large":      {claim(ws.OpText, true, 1<<40), 1009},
			"not UTF-8":      {text("4\xff"), 1007},
			"type 7":         {text("7"), 1000},
			"before CONNECT": {text(`42["e"]`), 1000},
		} {
			s.attack(t, name, func(t *testing.T) {
				for range e2e.Rounds(1000) / 4 {
					payloads, status := s.webSocket(t, handshake("websocket"), c.frame).frames(t)
					require.Equal(t, c.status, status)
					require.Len(t, payloads, 1, "the open packet")
				}
				require.Empty(t, s.app.events())
			})
		}
	})
}

// A correct Close frame is answered. A malformed one is a violation.
func TestCloseFrames(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for payload, status := range map[string]int{
			"": 1000, "\x03\xe8": 1000, "\x03\xe9bye": 1000, "\x0f\xa0": 1000,
			"x": 1002, "\x03\xed": 1002, "\x03\xee": 1002, "\x00\x00": 1002, "\x03\xe8\xff": 1002,
		} {
			s.attack(t, abridged(payload), func(t *testing.T) {
				a := s.attacker(t, "websocket")
				a.Engine.WriteRaw(append(frame(ws.OpClose, true, payload), text(`42["behind it"]`)...))
				want := mojo.ReasonTransportClose
				if status == 1002 {
					want = mojo.ReasonParseError
				}
				s.requireEnded(t, a, want)
				require.Empty(t, s.app.events())
			})
		}
	})
}
