package hostile

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
)

// maxPayload is the default of Options.Limits.MaxPayload.
const maxPayload = 1_000_000

// post returns the text of a POST to a polling connection.
func (a attacker) post(body string, headers ...string) string {
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	return request("POST", a.target("polling"), append(headers, closing, length)...) + body
}

// requireTooLarge requires the server's answer to a POST above MaxPayload.
func requireTooLarge(t *testing.T, a answer) {
	t.Helper()
	require.Equal(t, http.StatusRequestEntityTooLarge, a.status, a.body)
	require.Empty(t, a.body)
}

// The server refuses a POST with a too large Content-Length before it receives
// the body.
func TestPostAboveMaxPayload(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		s.attack(t, "by Content-Length", func(t *testing.T) {
			a := s.attacker(t, "polling")

			got := s.ask(t, request("POST", a.target("polling"), fmt.Sprintf("Content-Length: %d\r\n", maxPayload+1)))

			requireTooLarge(t, got)
			s.requireEnded(t, a, mojo.ReasonParseError)
		})
		s.attack(t, "by a Content-Length above what numbers hold", func(t *testing.T) {
			a := s.attacker(t, "polling")

			got := s.ask(t, request("POST", a.target("polling"), "Content-Length: 18446744073709551617\r\n"))

			require.Equal(t, http.StatusBadRequest, got.status)
			s.requireLive(t, a)
		})
	})
}

// The server refuses a chunked POST when it exceeds the limit. It handles none
// of its packets and does not wait for the rest.
func TestChunkedPostAboveMaxPayload(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		s.attack(t, "chunked", func(t *testing.T) {
			a := s.attacker(t, "polling")
			part := `42["a"]` + "\x1e" + `42["` + strings.Repeat("a", maxPayload-11) // exactly the limit
			body := part + "bc"
			text := request("POST", a.target("polling"), "Transfer-Encoding: chunked\r\n") + fmt.Sprintf("%x\r\n%s\r\n", len(body), body) // without the last chunk

			requireTooLarge(t, s.askPartial(t, text))
			s.requireEnded(t, a, mojo.ReasonParseError)
			require.Empty(t, s.app.events())
		})
	})
}

// A payload of many packets costs memory in proportion to its bytes, and no
// goroutine.
func TestPayloadOfManyPackets(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		cost := make(map[int]uint64)
		for _, packets := range []int{maxPayload / 4, maxPayload / 2} {
			s.attack(t, fmt.Sprint(packets), func(t *testing.T) {
				a := s.attacker(t, "polling")
				text := []byte(a.post(strings.Repeat("6\x1e", packets-1) + "6"))
				conn := s.dial(t)
				var got answer
				cost[packets] = allocated(func() {
					_, err := conn.Write(text)
					require.NoError(t, err)
					got = readAnswer(t, conn, http.MethodPost)
				})
				require.Equal(t, answer{http.StatusOK, got.header, "ok"}, got)
				require.Less(t, cost[packets], uint64(raceCost*4<<20))
				s.requireLive(t, a)

				got = s.ask(t, a.post(strings.Repeat("6\x1e", packets))) // the last packet is empty
				requireRefused(t, got, http.StatusBadRequest, codeBadRequest)
				s.requireEnded(t, a, mojo.ReasonParseError)
			})
		}
		require.LessOrEqual(t, cost[maxPayload/2], 3*cost[maxPayload/4])
	})
}

// The server answers a binary POST of revision 3 at once, even if it never
// receives the body.
func TestBinaryPost(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for _, contentType := range []string{"application/octet-stream", "Application/Octet-Stream; x=y"} {
			header := "Content-Type: " + contentType + "\r\n"
			s.attack(t, contentType, func(t *testing.T) {
				a := s.attacker(t, "polling")
				requireRefused(t, s.ask(t, a.post("\x00\x04\xff4a", header)), http.StatusBadRequest, codeBadRequest)
				s.requireEnded(t, a, mojo.ReasonParseError)
			})
			s.attack(t, contentType+" without its body", func(t *testing.T) {
				a := s.attacker(t, "polling")
				got := s.askPartial(t, request("POST", a.target("polling"), header, "Content-Length: 10\r\n"))
				requireRefused(t, got, http.StatusBadRequest, codeBadRequest)
				s.requireEnded(t, a, mojo.ReasonParseError)
			})
		}
	})
}

// The server answers a POST that it refuses, even if it never receives the
// body.
func TestPostWithoutItsBody(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		a := s.attacker(t, "polling")
		ws := s.attacker(t, "websocket")
		for name, target := range map[string]string{
			"sid unknown":       handshake("polling") + "&sid=AAAAAAAAAAAAAAAAAAAAAAAA",
			"no sid":            handshake("polling"),
			"transport unknown": a.target("smoke"),
			"another revision":  strings.Replace(a.target("polling"), "EIO=4", "EIO=3", 1),
			"to a WebSocket":    ws.target("polling"),
		} {
			t.Run(name, func(t *testing.T) {
				got := s.askPartial(t, request("POST", target, "Content-Length: 10\r\n"))
				require.Equal(t, http.StatusBadRequest, got.status)
			})
		}
		s.requireLive(t, a)
		s.requireLive(t, ws)
	})
}
