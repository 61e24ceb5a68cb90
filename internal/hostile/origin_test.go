package hostile

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mojosocket/mojo"
	"github.com/mojosocket/mojo/internal/siotest"
)

// The origin and the fetch metadata decide whether the server admits a request:
// a handshake and every later request, on both transports. The requests are for
// site.example.
func TestOrigins(t *testing.T) {
	for _, n := range []siotest.Network{siotest.TCP, siotest.TLS} {
		t.Run(n.Name, func(t *testing.T) {
			s := newTestSite(t, n, siteConfig{opts: mojo.Options{Origins: []string{"https://friend.example", "http://old.example:8080"}}})
			plain := n != siotest.TLS
			for name, c := range map[string]struct {
				headers  string
				admitted bool // for polling; a WebSocket request without an Origin is always admitted
			}{
				"own, https":             {"Origin: https://site.example", true},
				"own, http":              {"Origin: http://site.example", plain},
				"own, default port":      {"Origin: https://site.example:443", true},
				"own, capitals":          {"Origin: https://Site.Example", true},
				"own, another port":      {"Origin: https://site.example:8443", false},
				"own, port of http":      {"Origin: https://site.example:80", false},
				"subdomain":              {"Origin: https://a.site.example", false},
				"own as a prefix":        {"Origin: https://site.example.evil.example", false},
				"own as a suffix":        {"Origin: https://evilsite.example", false},
				"own as a user":          {"Origin: https://site.example@evil.example", false},
				"own with a path":        {"Origin: https://site.example/", false},
				"listed":                 {"Origin: https://friend.example", true},
				"listed with its port":   {"Origin: http://old.example:8080", true},
				"listed, another scheme": {"Origin: http://friend.example", false},
				"listed, another port":   {"Origin: https://friend.example:8080", false},
				"other":                  {"Origin: https://evil.example", false},
				"null":                   {"Origin: null", false},
				"empty":                  {"Origin: ", false},
				"two":                    {"Origin: https://site.example\r\nOrigin: https://site.example", false},
				"forwarded":              {"Origin: https://evil.example\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example;proto=https", false},
				"none":                   {"", true},
				"none, same origin":      {"Sec-Fetch-Site: same-origin", true},
				"none, address typed in": {"Sec-Fetch-Site: none", true},
				"none, same site":        {"Sec-Fetch-Site: same-site", false},
				"none, an <img>":         {"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: image", false},
			} {
				s.attack(t, name, func(t *testing.T) {
					headers := strings.TrimPrefix(c.headers+"\r\n", "\r\n")
					a := s.attacker(t, "polling")
					for _, request := range []string{
						requestTo(http.MethodGet, handshake("polling"), headers, closing),
						requestTo(http.MethodGet, handshake("websocket"), headers, upgradeHeaders),
						requestTo(http.MethodPost, a.target("polling"), headers, closing, "Content-Length: 1\r\n") + "6",
						requestTo(http.MethodGet, a.target("websocket"), headers, upgradeHeaders),
						requestTo(http.MethodOptions, a.target("polling"), headers, closing),
					} {
						got := s.askPartial(t, request)
						admitted := c.admitted || !strings.Contains(headers, "Origin:") && strings.Contains(request, "websocket")
						requireAdmitted(t, got, admitted)
						if !admitted {
							requireRefused(t, got, http.StatusForbidden, codeForbidden)
						}
					}
					s.requireLive(t, a)
				})
			}
		})
	}
}

// requestTo returns the text of a request to site.example.
func requestTo(method, target string, headers ...string) string {
	return strings.Replace(request(method, target, headers...), "Host: mojo.test", "Host: site.example", 1)
}

// requireAdmitted requires that the server has admitted a request, or has
// refused it with 403 and without CORS headers.
func requireAdmitted(t *testing.T, a answer, admitted bool) {
	t.Helper()
	require.Equal(t, admitted, a.status != http.StatusForbidden, a.body)
	if admitted {
		require.Contains(t, []int{http.StatusOK, http.StatusSwitchingProtocols, http.StatusNoContent}, a.status, a.body)
		return
	}
	for name := range a.header {
		require.NotContains(t, name, "Access-Control-", fmt.Sprint(a.header))
	}
}
