package hostile

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/e2e"
	"github.com/mojosocket/mojo/internal/siotest"
)

// attacker3 is a client of Engine.IO 3 on the main namespace.
type attacker3 struct {
	attacker
	id string // of its connection
}

// attacker3 connects an attacker. The site needs Options.AllowEIO3.
func (s *testSite) attacker3(t *testing.T, transport string) attacker3 {
	t.Helper()
	client := siotest.Dial(t, s.site, siotest.Options{Transport: transport, EIO3: true})
	t.Cleanup(client.Close)
	a := attacker3{attacker: attacker{client, client.Connect("/", nil)}}
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	a.id = s.app.latest
	return a
}

// post returns the text of a POST of revision 3.
func (a attacker3) post(body string, headers ...string) string {
	return strings.Replace(a.attacker.post(body, headers...), "EIO=4", "EIO=3", 1)
}

func (s *testSite) requireEnded3(t *testing.T, a attacker3, reason mojo.Reason) {
	t.Helper()
	require.Equal(t, reason, s.app.awaitEnd(t, a.id))
	a.Engine.AwaitClosed()
}

// eachNetwork3 is eachNetwork with Options.AllowEIO3.
func eachNetwork3(t *testing.T, fn func(t *testing.T, s *testSite)) {
	t.Helper()
	for _, n := range []siotest.Network{siotest.TCP, siotest.TLS} {
		t.Run(n.Name, func(t *testing.T) { fn(t, newTestSite(t, n, siteConfig{opts: mojo.Options{AllowEIO3: true}})) })
	}
}

const octetStream = "Content-Type: application/octet-stream\r\n"

// Packets that violate the protocol close the connection of a client of Engine.IO
// 3, and no handler runs.
func TestPacketsOfEIO3(t *testing.T) {
	packets := []string{
		"7", "8", "9", "70", "é", "\x00", "a", " 4", "0{}", "5", "bAA==", "b!", "b3AA==", "b4!", `{"4":1}`,
		"4", "47", "48", "4a", `4"x"`, "4-1", `44"x"`, `44{}`, `40/a,{}`, `40{}`, "41{}", "43", `43["no id"]`,
		`42/never,["event"]`, "41/never,", "43/never,0[]", `451-/never,["event",{"_placeholder":true,"num":0}]`,
		"42[]", "42{}", "42null", "42[null]", "42[[1]]", `42[{"toString":"x"}]`, `42["e"`, `42["e"]42["e"]`, "42[1e400]",
		`42["connect"]`, `42["connect_error",{}]`, `42["disconnect","x"]`, `42["newListener"]`, `42["mojo:identity"]`,
		`4511-["e"]`, "459999999999-", "45-1-", "45+1-", "4501-", `450-["e"]`, "460-1[]",
		"43" + strings.Repeat("9", 400) + `["x"]`,
	}
	eachNetwork3(t, func(t *testing.T, s *testSite) {
		for _, packet := range packets {
			for _, transport := range transports {
				s.attack(t, transport+" "+abridged(packet), func(t *testing.T) {
					a := s.attacker3(t, transport)
					a.Engine.SendPackets(packet, `42["behind it"]`)
					s.requireEnded3(t, a, mojo.ReasonParseError)
					require.Empty(t, s.app.events())
				})
			}
		}
	})
}

// A payload of a wrong form gets 400 and closes the connection, and nothing of
// it is handled.
func TestPayloadsOfEIO3(t *testing.T) {
	eachNetwork3(t, func(t *testing.T, s *testSite) {
		for name, c := range map[string]struct{ payload, header string }{
			"empty":            {"", ""},
			"revision 4":       {"6\x1e6", ""},
			"no length":        {`42["e"]`, ""},
			"too short":        {`8:42["e"]`, ""},
			"too long":         {`6:42["e"]`, ""},
			"length 0":         {"0:", ""},
			"leading zero":     {"01:6", ""},
			"huge length":      {strings.Repeat("9", maxPayload/10) + ":6", ""},
			"length overflows": {"9223372036854775808:6", ""},
			"not UTF-8":        {"8:42[\"\xff\"]", ""},
			"binary as text":   {"\x00\x01\xff6", ""},
			"text as binary":   {"1:6", octetStream},
			"binary: digit 10": {"\x00\x0a\xff6", octetStream},
			"binary: long":     {"\x00" + strings.Repeat("\x09", maxPayload/10) + "\xff", octetStream},
			"binary: short":    {"\x00\x02\xff6", octetStream},
			"binary: no type":  {"\x01\x00\xff", octetStream},
			"binary: type 5":   {"\x01\x02\xff\x05x", octetStream},
			"binary: UTF-16":   {"\x00\x07\xff42[\"é\"]", octetStream}, // a length in characters
		} {
			s.attack(t, name, func(t *testing.T) {
				a := s.attacker3(t, "polling")
				requireRefused(t, s.ask(t, a.post(c.payload, c.header)), http.StatusBadRequest, codeBadRequest)
				s.requireEnded3(t, a, mojo.ReasonParseError)
				require.Empty(t, s.app.events())
			})
		}
		for name, header := range map[string]string{"text": "", "binary": octetStream} {
			s.attack(t, "above MaxPayload, "+name, func(t *testing.T) {
				a := s.attacker3(t, "polling")
				target := strings.Replace(a.target("polling"), "EIO=4", "EIO=3", 1)
				got := s.ask(t, request("POST", target, header, fmt.Sprintf("Content-Length: %d\r\n", maxPayload+1)))
				requireTooLarge(t, got)
				s.requireEnded3(t, a, mojo.ReasonParseError)
			})
		}
	})
}

// A payload of many packets costs memory in proportion to its bytes, and no
// goroutine.
func TestManyPacketsOfEIO3(t *testing.T) {
	eachNetwork3(t, func(t *testing.T, s *testSite) {
		for name, c := range map[string]struct{ packet, header string }{
			"text": {"1:6", ""}, "binary": {"\x00\x01\xff6", octetStream}, "pings": {"1:2", ""},
		} {
			cost := make(map[int]uint64)
			for _, packets := range []int{maxPayload / len(c.packet) / 2, maxPayload / len(c.packet)} {
				s.attack(t, fmt.Sprint(name, packets), func(t *testing.T) {
					a := s.attacker3(t, "polling")
					text := []byte(a.post(strings.Repeat(c.packet, packets), c.header))
					conn := s.dial(t)
					cost[packets] = allocated(func() {
						_, err := conn.Write(text)
						require.NoError(t, err)
						require.Equal(t, "ok", readAnswer(t, conn, http.MethodPost).body)
					})
					require.Less(t, cost[packets], uint64(raceCost*4<<20))
					require.Equal(t, `["still there"]`, a.socket.Call("echo", "still there").JSON())
				})
			}
			require.LessOrEqual(t, cost[maxPayload/len(c.packet)], 3*cost[maxPayload/len(c.packet)/2])
		}
	})
}

// Pings at any rate are answered without a goroutine for each.
func TestPingsOfEIO3(t *testing.T) {
	eachNetwork3(t, func(t *testing.T, s *testSite) {
		for _, transport := range transports {
			s.attack(t, transport, func(t *testing.T) {
				a := s.attacker3(t, transport)
				before := runtime.NumGoroutine()
				pings := make([]string, e2e.Rounds(100_000))
				for i := range pings {
					pings[i] = "2"
				}
				a.Engine.SendPackets(pings...)
				require.Equal(t, `["still there"]`, a.socket.Call("echo", "still there").JSON())
				require.NotZero(t, a.Engine.Pings())
				require.Less(t, runtime.NumGoroutine(), before+10)
			})
		}
	})
}

// A binary frame is a message with its type, or closes the WebSocket.
func TestBinaryFramesOfEIO3(t *testing.T) {
	eachNetwork3(t, func(t *testing.T, s *testSite) {
		for name, payload := range map[string]string{"empty": "", "type 5": "\x05x", "type '4'": "4x", "unexpected": "\x04x"} {
			s.attack(t, name, func(t *testing.T) {
				a := s.attacker3(t, "websocket")
				a.Engine.WriteRaw(ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame([]byte(payload)))))
				s.requireEnded3(t, a, mojo.ReasonParseError)
			})
		}
	})
}

// A request of another revision than that of the handshake has no effect.
func TestEIOParameterOfEIO3(t *testing.T) {
	eachNetwork3(t, func(t *testing.T, s *testSite) {
		for _, eio := range []string{"", "EIO=", "EIO=4", "EIO=3&EIO=4", "EIO=2", "EIO=3,4", "EIO=03", "EIO=3.0"} {
			s.attack(t, eio, func(t *testing.T) {
				a := s.attacker3(t, "polling")
				for _, m := range methods {
					to := strings.Replace(a.target(m.transport), "EIO=4", eio, 1)
					requireRefused(t, s.ask(t, request(m.method, to, m.headers, closing)), http.StatusBadRequest, codeProtocol)
				}
				require.Equal(t, `["still there"]`, a.socket.Call("echo", "still there").JSON())
				a.Engine.Upgrade()
				require.Equal(t, `["still there"]`, a.socket.Call("echo", "still there").JSON())
			})
		}
		s.attack(t, "JSONP", func(t *testing.T) {
			to := strings.Replace(handshake("polling"), "EIO=4", "EIO=3&j=0", 1)
			requireRefused(t, s.ask(t, request("GET", to, closing)), http.StatusBadRequest, codeTransport)
		})
	})
}

// What is large in a CONNECT costs memory in proportion to its bytes.
func TestHugeConnectsOfEIO3(t *testing.T) {
	eachNetwork3(t, func(t *testing.T, s *testSite) {
		for name, c := range map[string]struct {
			packet func(n int) string
			closes bool
		}{
			"name":                 {repeat("40/", "1", ","), false},
			"query":                {repeat("40/a?", "1", ","), true},
			"parameters":           {repeat("40/a?", "a&", ","), true},
			"query of 64 KiB":      {func(int) string { return "40/a?" + strings.Repeat("&", 64<<10) + "," }, false},
			"parameters of 64 KiB": {func(int) string { return "40/a?" + strings.Repeat("a&", 32<<10) + "," }, false},
		} {
			for _, transport := range transports {
				s.attack(t, transport+" "+name, func(t *testing.T) {
					e := siotest.Open(t, s.site, siotest.Options{Transport: transport, EIO3: true})
					t.Cleanup(e.Close)
					require.Equal(t, "0", e.Next().Text)
					got := allocated(func() {
						e.SendPacket(c.packet(maxPayload - 10))
						if c.closes {
							e.AwaitClosed()
							return
						}
						require.Contains(t, e.Next().Text, "Invalid namespace")
					})
					require.Less(t, got, uint64(32*maxPayload), "both ends together")
				})
			}
		}
	})
}

// What googollee's Go client sends: its own CONNECT of the root, and payloads
// that are binary, one packet in each.
func TestGoClientOfEIO3(t *testing.T) {
	eachNetwork3(t, func(t *testing.T, s *testSite) {
		s.attack(t, "go-socket.io", func(t *testing.T) {
			a := s.attacker3(t, "polling")
			for _, payload := range []string{
				"\x00\x02\xff40",
				"\x00\x01\xff2",
				"\x00\x01\x07\xff42/,[\"say\",\"hi\"]\n",
				"\x00\x04\x02\xff451-[\"say\",{\"_placeholder\":true,\"num\":0}]\n",
				"\x01\x03\xff\x04\x01\x02",
			} {
				require.Equal(t, "ok", s.ask(t, a.post(payload, octetStream)).body)
			}
			require.Equal(t, `["still there"]`, a.socket.Call("echo", "still there").JSON())
			require.Equal(t, []string{`say ["hi"] <nil>`, `say ["AQI="] <nil>`}, s.app.events())
		})
	})
}
