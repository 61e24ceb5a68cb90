package hostile

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// methods has the methods of valid requests on a connection.
var methods = []struct{ method, transport, headers string }{
	{"GET", "polling", ""},
	{"POST", "polling", "Content-Length: 0\r\n"},
	{"GET", "websocket", upgradeHeaders},
}

func TestTransportParameter(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, transport := range map[string]string{
			"missing":          "",
			"empty":            "&transport=",
			"repeated":         "&transport=polling&transport=polling",
			"two":              "&transport=polling&transport=websocket",
			"unknown":          "&transport=webtransport",
			"with a capital":   "&transport=Polling",
			"__proto__":        "&transport=__proto__",
			"constructor":      "&transport=constructor",
			"with NUL":         "&transport=polling%00",
			"not UTF-8":        "&transport=%ff%fepolling",
			"badly escaped":    "&transport=polling%zz",
			"with a space":     "&transport=polling+",
			"of 64 KB":         "&transport=" + strings.Repeat("polling", 9000),
			"in another field": "&Transport=polling",
		} {
			s.attack(t, name, func(t *testing.T) {
				a, ws := s.attacker(t, "polling"), s.attacker(t, "websocket")
				for _, sid := range []string{"", "&sid=" + a.Engine.Handshake.SID, "&sid=" + ws.Engine.Handshake.SID, "&sid=x"} {
					for _, m := range methods {
						got := s.ask(t, request(m.method, "/socket.io/?EIO=4"+transport+sid, m.headers, closing))
						requireRefused(t, got, http.StatusBadRequest, codeTransport)
					}
				}
				s.requireLive(t, a)
				s.requireLive(t, ws)
			})
		}
	})
}

// The server sends the same answer for every unknown sid, and does not log it.
func TestSIDParameter(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, sid := range map[string]string{
			"empty":         "",
			"unknown":       "UNKNOWNUNKNOWNUNKNOWNUNK",
			"of 64 KB":      strings.Repeat("UNKNOWN", 64<<10/7),
			"with NUL":      "UNKNOWN%00",
			"not UTF-8":     "UNKNOWN%ff%fe",
			"badly escaped": "UNKNOWN%zz",
			"with newline":  "UNKNOWN%0d%0aX-Injected:%201",
			"__proto__":     "__proto__",
			"as an array":   "UNKNOWN&sid=UNKNOWN",
		} {
			s.attack(t, name, func(t *testing.T) {
				for _, m := range methods {
					got := s.ask(t, request(m.method, handshake(m.transport)+"&sid="+sid, m.headers, closing))
					requireRefused(t, got, http.StatusBadRequest, codeUnknownSID)
					require.Empty(t, got.header.Get("X-Injected"))
					require.NotContains(t, got.body, "UNKNOWN")
				}
				require.NotContains(t, s.log.String(), "UNKNOWN")
				require.NotContains(t, s.log.String(), "__proto__")
			})
		}
		s.attack(t, "twice the right one", func(t *testing.T) {
			a := s.attacker(t, "polling")
			got := s.ask(t, request("GET", a.target("polling")+"&sid="+a.Engine.Handshake.SID, closing))
			requireRefused(t, got, http.StatusBadRequest, codeUnknownSID)
			s.requireLive(t, a)
			require.NotContains(t, s.log.String(), a.Engine.Handshake.SID)
		})
	})
}

// The server refuses a handshake with a revision other than 4. A later request
// with another revision does not affect its connection.
func TestEIOParameter(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for name, eio := range map[string]string{
			"missing":   "",
			"empty":     "EIO=",
			"two":       "EIO=4&EIO=3",
			"3":         "EIO=3",
			"5":         "EIO=5",
			"4,3":       "EIO=4,3",
			"04":        "EIO=04",
			"4.0":       "EIO=4.0",
			"-4":        "EIO=-4",
			"4 escaped": "EIO=" + url.QueryEscape("4\x00"),
		} {
			s.attack(t, name, func(t *testing.T) {
				a := s.attacker(t, "polling")
				for _, target := range []func(transport string) string{handshake, a.target} {
					for _, m := range methods {
						if m.method == "POST" && !strings.Contains(target(""), "sid=") {
							continue // a POST is never a handshake
						}
						to := strings.Replace(target(m.transport), "EIO=4", eio, 1)
						requireRefused(t, s.ask(t, request(m.method, to, m.headers, closing)), http.StatusBadRequest, codeProtocol)
					}
				}
				s.requireLive(t, a)
				a.Engine.Upgrade()
				s.requireLive(t, a)
			})
		}
	})
}

// Requests with other methods than those of the protocol have no effect.
func TestMethods(t *testing.T) {
	eachNetwork(t, func(t *testing.T, s *testSite) {
		for _, method := range []string{"HEAD", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "FOO"} {
			s.attack(t, method, func(t *testing.T) {
				for _, transport := range transports {
					a := s.attacker(t, transport)
					for _, target := range []string{handshake("polling"), handshake("websocket"), a.target("polling"), a.target("websocket")} {
						got := s.ask(t, request(method, target, closing, strings.Replace(upgradeHeaders, "Connection: Upgrade\r\n", "", 1)))
						require.Equal(t, http.StatusBadRequest, got.status, got.body)
						if method == http.MethodHead {
							require.Empty(t, got.body)
						}
					}
					s.requireLive(t, a)
				}
			})
		}
		s.attack(t, "handshake by POST", func(t *testing.T) {
			got := s.ask(t, request("POST", handshake("polling"), closing, "Content-Length: 0\r\n"))
			requireRefused(t, got, http.StatusBadRequest, codeMethod)
		})
	})
}
